"""Train the embedded model from nothing: `python -m embedded.train --work training`.

Five stages, each resumable from its last checkpoint in the work folder: autoencoder, UNet with text tower,
ControlNet, judge. Every batch is drawn from a generator seeded by (stage, step), so an interrupted training
continues as if it had not been interrupted. About two hours on two CPU cores.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from embedded.control import ControlNet, add_residuals
from embedded.judge import Judge
from embedded.model import AutoencoderKL, build_unet
from embedded.pictures import PATTERNS, SHAPES, draw, edge_map, random_scene, training_scenes
from embedded.schedule import alphas_cumprod
from embedded.text import TextEncoder

SEED = 20261121
PICTURES = 14_000
SAVE_EVERY_S = 600
SHORT_CONTEXT = 24  # tokens: longer than any caption; the last steps see all 77

STAGES = {"vae": 3200, "unet": 5000, "control": 400, "judge": 550}
BATCH = {"vae": 8, "unet": 16, "control": 16, "judge": 32}
RATE = {"vae": 1e-3, "unet": 5e-4, "control": 6e-4, "judge": 1.5e-3}


def rng_for(stage: str, step: int) -> torch.Generator:
    return torch.Generator().manual_seed(SEED + 1_000_003 * list(STAGES).index(stage) + step)


def learning_rate(stage: str, step: int) -> float:
    """Linear warm-up over 2 % of the stage, then a cosine down to a twentieth."""
    progress = step / STAGES[stage]
    warm = min(1.0, (step + 1) / (0.02 * STAGES[stage]))
    return RATE[stage] * warm * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


def to_tensor(pictures: np.ndarray) -> torch.Tensor:
    """[n, h, w, 3] uint8 -> [n, 3, h, w] in -1..1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div(127.5).sub(1)


class Stage:
    """One training stage: its modules, optimiser, averaged weights, and a checkpoint it resumes from."""

    def __init__(self, name: str, work: Path, modules: dict[str, nn.Module], decay: float = 0.0):
        self.name, self.path, self.modules, self.decay = name, work / f"{name}.pt", modules, decay
        self.averages = {key: copy.deepcopy(m).requires_grad_(False) for key, m in modules.items()} if decay else {}
        parameters = itertools.chain.from_iterable(m.parameters() for m in modules.values())
        self.optimiser = torch.optim.AdamW(parameters, lr=RATE[name], weight_decay=1e-3, betas=(0.9, 0.99), fused=True)
        self.step = 0
        if self.path.exists():
            self._load(torch.load(self.path, map_location="cpu", weights_only=True))

    def _load(self, state: dict) -> None:
        self.step = state["step"]
        self.optimiser.load_state_dict(state["optimiser"])
        for key, module in self.modules.items():
            module.load_state_dict(state["modules"][key])
        for key, module in self.averages.items():
            module.load_state_dict(state["averages"][key])

    def save(self) -> None:
        state = {"step": self.step, "optimiser": self.optimiser.state_dict(),
                 "modules": {k: m.state_dict() for k, m in self.modules.items()},
                 "averages": {k: m.state_dict() for k, m in self.averages.items()}}
        partial = self.path.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(self.path)

    def run(self, loss_of: Callable[[int, torch.Generator], torch.Tensor]) -> dict[str, nn.Module]:
        """Train to the stage's last step; gives the averaged modules where there are any."""
        total, saved, shown = STAGES[self.name], time.monotonic(), []
        with tqdm(total=total, initial=self.step, desc=self.name, mininterval=15, ascii=True) as bar:
            while self.step < total:
                for group in self.optimiser.param_groups:
                    group["lr"] = learning_rate(self.name, self.step)
                self.optimiser.zero_grad(set_to_none=True)
                loss = loss_of(self.step, rng_for(self.name, self.step))
                loss.backward()
                nn.utils.clip_grad_norm_(self.optimiser.param_groups[0]["params"], 1.0)
                self.optimiser.step()
                self._average()
                self.step += 1
                shown = [*shown[-99:], loss.item()]
                bar.set_postfix_str(f"loss {sum(shown) / len(shown):.4f}", refresh=False)
                bar.update()
                if self.step == total or time.monotonic() - saved > SAVE_EVERY_S:
                    self.save()
                    saved = time.monotonic()
        trained = self.averages or self.modules
        return {key: module.eval().requires_grad_(False) for key, module in trained.items()}

    def _average(self) -> None:
        if not self.decay:
            return
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for key, average in self.averages.items():
                torch._foreach_lerp_(list(average.parameters()), list(self.modules[key].parameters()), 1 - decay)


@torch.no_grad()
def start_as_mean_colours(vae: AutoencoderKL, carrier: float = 3.0) -> None:
    """Initialise the autoencoder as a codec of 8 x 8 mean colours, from which it learns the details.

    Red, green and blue travel in channels 0, 2 and 4 of the main path; their partners in the normalisation's
    groups of two hold a constant `carrier`, so that the normalisations, which would wipe out plain colours, let
    them through almost linearly. Every residual branch starts at zero. Ten times faster than random weights.
    """
    for half in (vae.encoder, vae.decoder):
        for name, module in half.named_modules():
            branch_end = getattr(module, "conv2", None) or getattr(module, "proj_out", None)
            if branch_end is not None:
                branch_end.weight.zero_()
                branch_end.bias.zero_()
            if name == "conv_in" or name.endswith("sample.conv"):
                module.weight[:6] = 0
                module.bias[:6] = torch.tensor([0, carrier] * 3)
                for colour in range(3):
                    source = colour if name == "conv_in" else 2 * colour
                    if "downsample" in name:
                        module.weight[2 * colour, source, :2, :2] = 0.25
                    else:
                        module.weight[2 * colour, source, 1, 1] = 1
        half.norm_out.weight[:6] = 1.5
        half.norm_out.bias[0:6:2] = 2.5
    moments, picture = vae.encoder.conv_out, vae.decoder.conv_out
    moments.weight[:3] = 0
    moments.bias[:3] = -1
    moments.weight[4:] *= 0.1
    moments.bias[4:] = -6
    picture.weight.zero_()
    picture.bias.fill_(-1)
    for colour in range(3):
        moments.weight[colour, 2 * colour, 1, 1] = 1
        picture.weight[colour, 2 * colour, 1, 1] = 1
    for square in (vae.quant_conv, vae.post_quant_conv):
        square.weight.copy_(torch.eye(len(square.weight))[:, :, None, None])
        square.bias.zero_()


def train_vae(work: Path, pictures: np.ndarray, compiled: bool) -> AutoencoderKL:
    """Reconstruct 64 x 64 crops: L1, squared error and a light pull of the posterior to N(0, 1)."""
    torch.manual_seed(SEED)
    vae = AutoencoderKL()
    start_as_mean_colours(vae)
    vae = vae.to(memory_format=torch.channels_last)
    stage = Stage("vae", work, {"vae": vae}, decay=0.995)
    wrap = torch.compile if compiled and stage.step < STAGES["vae"] else (lambda module: module)
    encode, decode = wrap(lambda x: vae.quant_conv(vae.encoder(x))), wrap(vae.decode)

    def loss_of(step: int, rng: torch.Generator) -> torch.Tensor:
        chosen = torch.randint(len(pictures), (BATCH["vae"],), generator=rng)
        corners = torch.randint(0, 65, (BATCH["vae"], 2), generator=rng)
        crops = np.stack([pictures[i, y:y + 64, x:x + 64]
                          for i, (y, x) in zip(chosen.tolist(), corners.tolist(), strict=True)])
        target = to_tensor(crops).contiguous(memory_format=torch.channels_last)
        mean, logvar = encode(target).chunk(2, 1)
        logvar = logvar.clamp(-30, 20)
        z = mean + (0.5 * logvar).exp() * torch.randn(mean.shape, generator=rng)
        error = decode(z) - target
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        return error.abs().mean() + 2 * error.square().mean() + 2e-4 * kl

    return stage.run(loss_of)["vae"]


@torch.no_grad()
def encode_all(vae: AutoencoderKL, pictures: np.ndarray, compiled: bool) -> torch.Tensor:
    """Posterior means of every picture, [n, 4, 16, 16], unscaled."""
    encode = lambda x: vae.quant_conv(vae.encoder(x))  # noqa: E731
    encode = torch.compile(encode) if compiled else encode
    whole = len(pictures) // 20 * 20
    batches = (to_tensor(pictures[i:i + 20]).contiguous(memory_format=torch.channels_last)
               for i in range(0, whole, 20))
    return torch.cat([encode(batch).chunk(2, 1)[0] for batch in tqdm(batches, total=whole // 20, desc="encode",
                                                                    mininterval=15, ascii=True)])


def train_unet(work: Path, latents: torch.Tensor, captions: list[str]) -> tuple[nn.Module, TextEncoder]:
    """Noise prediction on scaled latents, text tower trained along."""
    torch.manual_seed(SEED + 1)
    unet, text = build_unet(), TextEncoder()
    stage = Stage("unet", work, {"unet": unet, "text": text}, decay=0.9985)
    tokens, abar = text.tokenize(captions), alphas_cumprod()

    def loss_of(step: int, rng: torch.Generator) -> torch.Tensor:
        chosen = torch.randint(len(latents), (BATCH["unet"],), generator=rng)
        length = SHORT_CONTEXT if step < 0.85 * STAGES["unet"] else 77
        z, t, noise = noised(latents[chosen], abar, rng)
        return weighted_error(unet(z, t, text(tokens[chosen, :length])), noise, abar[t])

    trained = stage.run(loss_of)
    return trained["unet"], trained["text"]


def noised(latents: torch.Tensor, abar: torch.Tensor, rng: torch.Generator, power: float = 1.0):
    """Random timesteps and noise: z_t, t, noise. A power below 1 prefers high noise."""
    if power == 1:
        t = torch.randint(len(abar), (len(latents),), generator=rng)
    else:
        t = (torch.rand(len(latents), generator=rng) ** power * len(abar)).long().clamp(max=len(abar) - 1)
    noise = torch.randn(latents.shape, generator=rng)
    a = abar[t].view(-1, 1, 1, 1)
    return a.sqrt() * latents + (1 - a).sqrt() * noise, t, noise


def weighted_error(predicted: torch.Tensor, noise: torch.Tensor, abar: torch.Tensor) -> torch.Tensor:
    """Squared error weighted by min(SNR, 5) / SNR (Hang et al. 2023, "Min-SNR"): what the picture shows is
    decided at high noise, and learned sooner when low noise does not dominate the gradient."""
    snr = abar / (1 - abar)
    error = (predicted - noise).square().mean((1, 2, 3))
    return (error * snr.clamp(max=5.0) / snr).mean()


def train_control(work: Path, unet: nn.Module, text: TextEncoder, latents: torch.Tensor, scenes: list) -> ControlNet:
    """Only the ControlNet learns. Nine captions in ten are dropped, so that the edges have to tell the shape, and
    high noise, where shapes are decided, is seen more often."""
    torch.manual_seed(SEED + 2)
    control = ControlNet()
    control.load_state_dict({k: v for k, v in unet.state_dict().items() if k in control.state_dict()}, strict=False)
    stage = Stage("control", work, {"control": control}, decay=0.995)
    tokens, empty, abar = text.tokenize([s.caption for s in scenes]), text.tokenize([""]), alphas_cumprod()

    def loss_of(step: int, rng: torch.Generator) -> torch.Tensor:
        chosen = torch.randint(len(latents), (BATCH["control"],), generator=rng)
        dropped = torch.rand(BATCH["control"], 1, generator=rng) < 0.9
        with torch.no_grad():
            context = text(torch.where(dropped, empty, tokens[chosen]))
        hint = (to_tensor(np.stack([edge_map(scenes[i]) for i in chosen.tolist()])) + 1) / 2
        z, t, noise = noised(latents[chosen], abar, rng, power=0.5)
        return weighted_error(add_residuals(unet, z, t, context, *control(z, hint, t, context)), noise, abar[t])

    return stage.run(loss_of)["control"]


def train_judge(work: Path, vae: AutoencoderKL) -> Judge:
    """Learn shape and pattern on freshly drawn single pictures, a third of them seen through the autoencoder."""
    torch.manual_seed(SEED + 3)
    judge = Judge()
    stage = Stage("judge", work, {"judge": judge}, decay=0.99)

    def loss_of(step: int, rng: torch.Generator) -> torch.Tensor:
        numpy_rng = np.random.default_rng([SEED, step])
        scenes = [random_scene(numpy_rng) for _ in range(BATCH["judge"])]
        pictures = to_tensor(np.stack([draw(s) for s in scenes]))
        seen = slice(0, BATCH["judge"] // 8)
        with torch.no_grad():
            pictures[seen] = vae.decode(vae.encode(pictures[seen]).mode())
        pictures += 0.05 * torch.randn(pictures.shape, generator=rng)
        shape, pattern = judge(pictures)
        return (F.cross_entropy(shape, torch.tensor([SHAPES.index(s.shape) for s in scenes]))
                + F.cross_entropy(pattern, torch.tensor([PATTERNS.index(s.material.pattern) for s in scenes])))

    return stage.run(loss_of)["judge"]


def prepare(work: Path, compiled: bool):
    """Scenes, the trained autoencoder, and the scaled latents of all pictures."""
    scenes = list(training_scenes(SEED, PICTURES))
    pictures = np.stack([draw(s) for s in tqdm(scenes, desc="draw", mininterval=15, ascii=True)])
    vae = train_vae(work, pictures, compiled)
    path = work / "latents.pt"
    if not path.exists():
        torch.save(encode_all(vae, pictures, compiled), path)
    latents = torch.load(path, weights_only=True)
    scale = 1 / latents.std().item()
    return scenes, vae, latents * scale, scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("training"), help="folder for checkpoints")
    parser.add_argument("--no-compile", action="store_true", help="train the autoencoder without torch.compile")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    scenes, vae, latents, scale = prepare(args.work, not args.no_compile)
    unet, text = train_unet(args.work, latents, [s.caption for s in scenes])
    control = train_control(args.work, unet, text, latents, scenes)
    judge = train_judge(args.work, vae)

    from embedded.checkpoint import save_all

    save_all(unet, text, vae, control, judge, scale)


if __name__ == "__main__":
    main()
