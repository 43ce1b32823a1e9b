"""The autoencoder of materials: 8x smaller, 4 channels as every WebUI wants it, and a critic that asks for grain.

Squared error alone turns jute and gravel into smooth blots. So a critic of patches learns to tell a picture from its
reconstruction, and what it sees on the way is compared too (hinge loss and feature matching, as in pix2pixHD).
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from embedded.materials.composite import draw
from embedded.materials.sampling import Lots
from embedded.materials.stage import Clock, Stage
from embedded.materials.stock import Stock
from embedded.model import AutoencoderKL

SIZES = dict(ch=32, ch_mult=[1, 2, 3, 3], num_res_blocks=1, resolution=256)
CROP = 128
CRITIC_FROM = 0.35
"""The critic joins when the reconstruction is near: at this share of the stage."""


class Critic(nn.Module):
    """Of patches: logits [n, 1, h, w] and what it sees in each of its layers. Pictures are [n, 3, H, W] in -1..1."""

    def __init__(self, width: int = 48):
        super().__init__()
        widths = (3, width, 2 * width, 4 * width)
        self.layers = nn.ModuleList(nn.Sequential(nn.Conv2d(a, b, 4, stride=2, padding=1), nn.LeakyReLU(0.2))
                                    for a, b in pairwise(widths))
        self.last = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        seen, h = [], pictures
        for layer in self.layers:
            h = layer(h)
            seen.append(h)
        return self.last(h), seen


def build() -> AutoencoderKL:
    return AutoencoderKL(**SIZES)


def train(stock: Stock, work: Path, clock: Clock, batch: int) -> AutoencoderKL:
    torch.manual_seed(1)
    vae, critic = build().to(stock.device), Critic().to(stock.device)
    stage = Stage("vae", work, {"vae": vae}, clock, rate=6e-4)
    judging = torch.optim.AdamW(critic.parameters(), lr=3e-4, betas=(0.5, 0.95))
    lots = Lots(stock)

    def loss_of(lot: torch.Generator, progress: float) -> dict[str, torch.Tensor]:
        target = _crops(draw(stock, *lots.seen(batch, lot), lot).pictures, lot) * 2 - 1
        with torch.autocast(stock.device.type, torch.bfloat16, enabled=stock.device.type == "cuda"):
            mean, logvar = vae.quant_conv(vae.encoder(target)).chunk(2, 1)
            mean, logvar = mean.float(), logvar.float().clamp(-30, 20)
            z = mean + (0.5 * logvar).exp() * torch.randn(mean.shape, generator=lot).to(mean)
            made = vae.decode(z).float()
            error = (made - target).abs().mean()
            kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
            losses = {"l1": error, "kl": kl, "loss": error + _edges(made, target) + 2e-4 * kl}
            if progress >= CRITIC_FROM:
                losses |= _judged(critic, judging, made, target, losses["loss"])
        return losses

    return stage.run(loss_of)["vae"]


def _judged(critic: Critic, judging: torch.optim.Optimizer, made: torch.Tensor, target: torch.Tensor,
            loss: torch.Tensor) -> dict[str, torch.Tensor]:
    """One step of the critic, and what it adds to the loss."""
    judging.zero_grad(set_to_none=True)
    real, fake = critic(target)[0], critic(made.detach())[0]
    wrong = F.relu(1 - real.float()).mean() + F.relu(1 + fake.float()).mean()
    wrong.backward()
    judging.step()
    critic.requires_grad_(False)
    seen, (logits, found) = critic(target)[1], critic(made)
    critic.requires_grad_(True)
    features = sum((a.float() - b.float()).abs().mean() for a, b in zip(found, seen, strict=True)) / len(seen)
    return {"critic": wrong, "features": features,
            "loss": loss + 0.5 * features - 0.02 * logits.float().mean()}


def _edges(made: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Differences of neighbours, at two scales: grain counts as much as colour."""
    total = 0.0
    for _ in range(2):
        total = total + sum((made.diff(dim=axis) - target.diff(dim=axis)).abs().mean() for axis in (2, 3))
        made, target = F.avg_pool2d(made, 2), F.avg_pool2d(target, 2)
    return 0.5 * total


def _crops(pictures: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """One square of CROP pixels from each, [n, 3, CROP, CROP]."""
    most = pictures.shape[-1] - CROP + 1
    corners = torch.randint(most, (len(pictures), 2), generator=lot).tolist()
    return torch.stack([picture[:, y:y + CROP, x:x + CROP] for picture, (y, x) in zip(pictures, corners, strict=True)])
