"""`python -m benchmarks.agreement`: how far apart the same picture comes out by the different ways to prepare it.

Largest differences of final latents after some steps with the embedded UNet, which are of the order of 1.
"""

from __future__ import annotations

import torch

from benchmarks.results import machine, write
from benchmarks.work import Work, in_precision
from embedded.checkpoint import load_model
from lib_indetail.ask.settings import Settings

TYPES = (torch.float32, torch.float16, torch.bfloat16)


def differences(dtype: torch.dtype, device: torch.device, steps: int = 6) -> dict[str, float]:
    """Against a run whose levels were all recorded live."""
    unet = in_precision(load_model().unet.to(device), dtype)
    settings = Settings(inversion="DDIM", levels="all", nodes=steps)
    work = Work(unet, 1, 16, steps, steps, device, dtype, settings=settings)
    work.chain = work.inverted(settings, None).chain
    live = work.without_bank()
    ways = {"first run": work.warm, "warm": work.warm, "recorded ahead, in batches": work.cold()}
    made = {name: generate() for name, generate in ways.items()}
    return {name: float((latents - live).abs().max()) for name, latents in made.items()}


def main() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    lines = [f"## Agreement, {machine(device.type == 'cuda')}", "",
             "Largest difference of final latents, after 6 steps with the embedded UNet, from a run that records every "
             "level live.", "",
             "| | float32 | float16 | bfloat16 |", "| --- | --- | --- | --- |"]
    results = [differences(dtype, device) for dtype in TYPES]
    for name in results[0]:
        lines.append(f"| {name} | " + " | ".join(f"{result[name]:.1e}" for result in results) + " |")
    text = "\n".join(lines) + "\n"
    print(text)
    write(text)


if __name__ == "__main__":
    main()
