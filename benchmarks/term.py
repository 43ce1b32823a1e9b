"""`python -m benchmarks.term`: what Detail's patch term takes, beside one UNet call of SDXL's shape in the same run.

Weights, latents and image prompt are random; two rows, as guidance has them, and one image prompt of the same size.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch

from benchmarks.device.unet import SDXL, random_unet
from benchmarks.results import machine, write
from lib_indetail.methods.detail import TERM
from lib_indetail.methods.patches import Exemplar, drawn


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.term", description=__doc__.splitlines()[0])
    cuda = torch.cuda.is_available()
    parser.add_argument("--cells", type=int, nargs="+", default=[64, 128], help="sides of the latent")
    parser.add_argument("--rounds", type=int, default=5 if cuda else 1)
    parser.add_argument("--dtype", choices=["float32", "float16", "bfloat16"], default="float16" if cuda else "float32")
    asked = parser.parse_args()
    device, dtype = torch.device("cuda" if cuda else "cpu"), getattr(torch, asked.dtype)
    unet = random_unet(SDXL, device, dtype)
    lines = [f"## Detail, SDXL's shape, {asked.dtype}, {machine(cuda)}", "",
             f"Seconds, medians of {asked.rounds}: a call of two rows, and the patch term for one image.", "",
             "| | UNet call | patch term | share |", "| --- | --- | --- | --- |"]
    for cells in asked.cells:
        call, term = measured(unet, cells, asked.rounds)
        lines.append(f"| {8 * cells}x{8 * cells} | {call:.2f} | {term:.3f} | {100 * term / call:.2f} % |")
        print(lines[-1], flush=True)
    write("\n".join(lines) + "\n")


@torch.no_grad()
def measured(unet: torch.nn.Module, cells: int, rounds: int) -> tuple[float, float]:
    """Seconds of a UNet call of two rows, and of the term."""
    like = next(unet.parameters())
    z, clean, picture = (torch.randn(count, 4, cells, cells).to(like) for count in (2, 1, 1))
    text, timesteps = torch.randn(2, 77, SDXL.context).to(like), torch.full((2,), 501, device=like.device)
    calls = {"unet": lambda: unet(z, timesteps, text), "term": lambda: drawn(clean, [Exemplar(picture, 0.5)], TERM)}
    seconds = {name: [_timed(call, like.device) for _ in range(rounds + 1)][1:] for name, call in calls.items()}
    return median(seconds["unet"]), median(seconds["term"])


def _timed(call: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
