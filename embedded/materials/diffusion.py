"""UNet, text tower and ControlNet of materials: the embedded model's configuration on 32 x 32 latents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from embedded.control import ControlNet, add_residuals
from embedded.materials.composite import draw
from embedded.materials.sampling import Lots, captions
from embedded.materials.stage import Clock, Stage
from embedded.materials.stock import Stock
from embedded.model import AutoencoderKL, build_unet
from embedded.schedule import alphas_cumprod
from embedded.text import TextEncoder
from embedded.train import weighted_error
from lib_indetail.noise.schedule import NoiseSchedule, stepped_as_shown

TOKENS = 24
"""Longer than any caption; the last part of the stage sees all 77."""


@dataclass(frozen=True, eq=False)
class Pool:
    """Pictures as scaled latents [n, 4, 32, 32], with the captions' tokens [n, 77] and, where they are kept, the masks'
    edges [n, 1, 256, 256] as bytes."""

    latents: torch.Tensor
    tokens: torch.Tensor
    edges: torch.Tensor | None
    scale: float


@torch.no_grad()
def encoded(stock: Stock, vae: AutoencoderKL, text: TextEncoder, count: int, lot: torch.Generator, clock: Clock,
            keep_edges: bool = False, scale: float | None = None, batch: int = 64) -> Pool:
    """Draw and encode pictures, at most `count` and one batch at least, until the clock has run down. Where no `scale`
    is given they are brought to a deviation of 1."""
    lots, latents, edges, said = Lots(stock), [], [], []
    while len(said) < count and (not said or clock.progress < 1):
        tiles, shapes, others = lots.couples(min(batch, count - len(said)), lot)
        drawn = draw(stock, tiles, shapes, lot, others)
        latents.append(vae.encode(drawn.pictures * 2 - 1).mode().half())
        said += captions(stock, shapes, others, lot)
        if keep_edges:
            edges.append((outline(drawn.inside) * 255).byte())
    latents = torch.cat(latents)
    scale = scale or 1 / float(latents.float().std())
    return Pool(latents * scale, _tokens(text, said).to(stock.device), torch.cat(edges) if edges else None, scale)


def _tokens(text: TextEncoder, said: list[str]) -> torch.Tensor:
    """[n, 77]: what is said often is read once, for a tokenizer is slow."""
    known = {caption: number for number, caption in enumerate(dict.fromkeys(said))}
    return text.tokenize(list(known))[[known[caption] for caption in said]]


def outline(inside: torch.Tensor) -> torch.Tensor:
    """Where a mask's edge is, [n, 1, H, W] in 0..1."""
    across, down = F.pad(inside.diff(dim=3), (0, 1)), F.pad(inside.diff(dim=2), (0, 0, 0, 1))
    return (3 * torch.hypot(across, down)).clamp(0, 1)


def train_unet(pool: Callable[[float], Pool], text: TextEncoder, work: Path, clock: Clock, batch: int,
               device: torch.device, compiled: bool) -> tuple[nn.Module, TextEncoder]:
    """Noise prediction, with the text tower trained along. `pool(progress)` gives the pictures of the moment."""
    torch.manual_seed(2)
    unet = build_unet().to(device)
    stage = Stage("unet", work, {"unet": unet, "text": text}, clock, rate=5e-4, decay=0.9995)
    torch._dynamo.config.suppress_errors = True  # what cannot be compiled is run as it is, rather than not at all
    run, abar = torch.compile(unet) if compiled else unet, alphas_cumprod().to(device)

    def loss_of(lot: torch.Generator, progress: float) -> dict[str, torch.Tensor]:
        pictures = pool(progress)
        chosen = torch.randint(len(pictures.latents), (batch,), generator=lot).to(device)
        length = TOKENS if progress < 0.85 else 77
        z, t, noise = noised(pictures.latents[chosen].float(), abar, lot)
        with half(device):
            predicted = run(z, t, text(pictures.tokens[chosen, :length]))
        return {"loss": weighted_error(predicted.float(), noise, abar[t])}

    trained = stage.run(loss_of)
    return trained["unet"], trained["text"]


def train_control(pool: Pool, unet: nn.Module, text: TextEncoder, work: Path, clock: Clock, batch: int,
                  device: torch.device) -> ControlNet:
    """Only the ControlNet learns. Nine captions in ten are dropped, so that the edges have to tell the shape, and high
    noise, where shapes are decided, is seen more often."""
    torch.manual_seed(3)
    control = ControlNet().to(device)
    control.load_state_dict({key: value for key, value in unet.state_dict().items() if key in control.state_dict()},
                            strict=False)
    stage = Stage("control", work, {"control": control}, clock, rate=6e-4)
    empty, abar = text.tokenize([""]).to(device), alphas_cumprod().to(device)

    def loss_of(lot: torch.Generator, progress: float) -> dict[str, torch.Tensor]:
        chosen = torch.randint(len(pool.latents), (batch,), generator=lot).to(device)
        dropped = (torch.rand(batch, 1, generator=lot) < 0.9).to(device)
        hint = pool.edges[chosen].float().div(255).expand(-1, 3, -1, -1)
        z, t, noise = noised(pool.latents[chosen].float(), abar, lot, power=0.5)
        with half(device):
            with torch.no_grad():
                context = text(torch.where(dropped, empty, pool.tokens[chosen]))
            predicted = add_residuals(unet, z, t, context, *control(z, hint, t, context))
        return {"loss": weighted_error(predicted.float(), noise, abar[t])}

    return stage.run(loss_of)["control"]


def noised(latents: torch.Tensor, abar: torch.Tensor, lot: torch.Generator, power: float = 1.0):
    """Random timesteps and noise: z_t, t, noise. A power below 1 prefers high noise."""
    steps = len(abar)
    t = (torch.rand(len(latents), generator=lot) ** power * steps).long().clamp(max=steps - 1).to(latents.device)
    noise = torch.randn_like(latents)
    a = abar[t].view(-1, 1, 1, 1)
    return a.sqrt() * latents + (1 - a).sqrt() * noise, t, noise


def half(device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


@torch.no_grad()
def sampled(unet: nn.Module, text: TextEncoder, prompts: list[str], device: torch.device, steps: int = 20,
            scale: float = 5.0, control: tuple[ControlNet, torch.Tensor] | None = None) -> torch.Tensor:
    """Latents [n, 4, 32, 32] by DDIM with guidance, for a look; `control` is a ControlNet with its hints."""
    schedule = NoiseSchedule(alphas_cumprod())
    context = torch.cat([text(text.tokenize(each).to(device)) for each in (prompts, [""] * len(prompts))])
    z = torch.randn(len(prompts), 4, 32, 32, generator=torch.Generator().manual_seed(5)).to(device)
    levels = [1 + number * (1000 // steps) for number in reversed(range(steps))]
    for t, after in zip(levels, [*levels[1:], 0], strict=True):
        x, times = torch.cat([z, z]), torch.full((2 * len(z),), t, device=device)
        with half(device):
            if control is None:
                predicted = unet(x, times, context)
            else:
                net, hint = control
                predicted = add_residuals(unet, x, times, context, *net(x, torch.cat([hint, hint]), times, context))
        cond, uncond = predicted.float().chunk(2)
        noise = uncond + scale * (cond - uncond)
        z = stepped_as_shown(schedule, z, noise, schedule.sigma(t), schedule.sigma(after))
    return z
