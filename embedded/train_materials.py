"""`python -m embedded.train_materials --minutes M`: trains a model that shows materials, on a GPU where there is one.

The minutes are split between the stages: autoencoder, a pool of encoded pictures, UNet with text tower, ControlNet,
judge. Each writes its checkpoint and a sheet as it goes. The result is six files under 16 MiB in the output folder, and
`--join PARTS MODELS` makes of them a checkpoint in a WebUI's folder `models`. `--rehearse` goes through all stages in a
few steps.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from embedded.materials import autoencoder, diffusion, judge
from embedded.materials.composite import draw
from embedded.materials.parts import SHEET, join, pictures_side_by_side, split
from embedded.materials.sampling import Lots
from embedded.materials.stage import Clock
from embedded.materials.stock import Stock, load
from embedded.model import AutoencoderKL
from embedded.pictures import with_article
from embedded.text import TextEncoder

SHARES = {"vae": 0.27, "pool": 0.06, "unet": 0.48, "control": 0.08, "judge": 0.08}
"""Of the minutes; the rest is for sheets and writing."""
COMPILED_FROM = 7.0
"""Minutes of a run in which compiling the UNet, which takes one, pays."""


@dataclass(frozen=True)
class Sizes:
    """Pictures in a batch of each stage, and in the pool at most."""

    vae: int
    unet: int
    control: int
    judge: int
    pool: int


GPU, CPU, REHEARSAL = Sizes(64, 256, 128, 48, 60_000), Sizes(4, 8, 4, 12, 2000), Sizes(1, 2, 1, 3, 4)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m embedded.train_materials", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--work", type=Path, default=Path("training/materials"), help="for checkpoints, sheets, losses")
    parser.add_argument("--output", type=Path, default=Path("outputs/materials"), help="for the six files")
    parser.add_argument("--rehearse", action="store_true", help="a few steps of every stage")
    parser.add_argument("--join", type=Path, nargs=2, metavar=("PARTS", "MODELS"))
    asked = parser.parse_args(arguments)
    if asked.join:
        for path in join(*asked.join):
            print(path)
        return
    for path in Training(asked.work, asked.output, asked.minutes, asked.rehearse).run():
        print(path)


class Training:
    """One run. A GPU is used where there is one."""

    def __init__(self, work: Path, output: Path, minutes: float, rehearse: bool):
        self.work, self.output, self.minutes, self.rehearse = work, output, minutes, rehearse
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.sizes = REHEARSAL if rehearse else GPU if self.device.type == "cuda" else CPU
        self._begun = time.monotonic()
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
            torch.backends.cudnn.benchmark = True

    def run(self) -> list[Path]:
        self.work.mkdir(parents=True, exist_ok=True)
        stock = load(self.device)
        vae = autoencoder.train(stock, self.work, self._clock("vae"), self.sizes.vae)
        rows = self._look_at(stock, vae)
        text = TextEncoder().to(self.device)
        lot = torch.Generator().manual_seed(6)
        pool = diffusion.encoded(stock, vae, text, self.sizes.pool, lot, self._clock("pool"),
                                 batch=min(64, self.sizes.pool))
        self._say(f"the pool has {len(pool.latents)} pictures")
        compiled = self.device.type == "cuda" and not self.rehearse and self.minutes >= COMPILED_FROM
        unet, text = diffusion.train_unet(lambda progress: pool, text, self.work, self._clock("unet"),
                                          self.sizes.unet, self.device, compiled)
        rows.append(self._from_text(stock, vae, unet, text, pool.scale))
        pictures_side_by_side(rows, self.work / SHEET)
        control = self._control(stock, vae, unet, text, pool.scale, lot, rows)
        judged = judge.train(stock, self.work, self._clock("judge"), self.sizes.judge, vae)
        about = {"shapes": stock.shapes, "minutes": self.minutes, "losses": self._losses(),
                 "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu"}
        paths = split(self.output, unet, text, vae, control, judged, pool.scale, about)
        return [*paths, pictures_side_by_side(rows, self.output / SHEET)]

    def _clock(self, stage: str) -> Clock:
        """It starts with the asking."""
        self._say(f"{stage} begins")
        return Clock(steps=2) if self.rehearse and stage != "pool" else Clock(60 * self.minutes * SHARES[stage])

    def _say(self, what: str) -> None:
        print(f"{time.monotonic() - self._begun:.0f} s: {what}", flush=True)

    def _control(self, stock: Stock, vae: AutoencoderKL, unet, text: TextEncoder, scale: float, lot: torch.Generator,
                 rows: list[torch.Tensor]):
        clock = self._clock("control")
        drawn = diffusion.encoded(stock, vae, text, 16 * self.sizes.control, lot, Clock(clock.seconds / 4), True, scale,
                                  min(64, 16 * self.sizes.control))
        control = diffusion.train_control(drawn, unet, text, self.work, clock, self.sizes.control, self.device)
        hints = drawn.edges[:self._count(8)].float().div(255).expand(-1, 3, -1, -1)
        made = diffusion.sampled(unet, text, [""] * len(hints), self.device, self._steps, control=(control, hints))
        rows += [hints, self._decoded(vae, made / scale)]
        return control

    @torch.no_grad()
    def _look_at(self, stock: Stock, vae: AutoencoderKL) -> list[torch.Tensor]:
        """Materials that no training has seen, and below them what the autoencoder makes of them."""
        lot = torch.Generator().manual_seed(7)
        tiles, shapes = Lots(stock).unseen(self._count(8), lot)
        pictures = draw(stock, tiles, shapes, lot, plain=1.0).pictures
        rows = [pictures, self._decoded(vae, vae.encode(pictures * 2 - 1).mode())]
        pictures_side_by_side(rows, self.work / "sheet_vae.png")
        return rows

    def _from_text(self, stock: Stock, vae: AutoencoderKL, unet, text: TextEncoder, scale: float) -> torch.Tensor:
        names = stock.shapes[:: max(1, len(stock.shapes) // 8)][:self._count(8)]
        latents = diffusion.sampled(unet, text, [with_article(name) for name in names], self.device, self._steps)
        return self._decoded(vae, latents / scale)

    @torch.no_grad()
    def _decoded(self, vae: AutoencoderKL, latents: torch.Tensor) -> torch.Tensor:
        return vae.decode(latents).add(1).div(2).clamp(0, 1)

    def _count(self, most: int) -> int:
        return 1 if self.rehearse else most

    @property
    def _steps(self) -> int:
        return 2 if self.rehearse else 20

    def _losses(self) -> dict[str, list]:
        return {path.stem: [json.loads(line) for line in path.read_text().splitlines()]
                for path in sorted(self.work.glob("*.jsonl"))}


if __name__ == "__main__":
    main()
