"""Strips with adaptive places: images are made where they are wanted, and the smoothest of them are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from lib_indetail.ask.interpolating import DIGITS
from lib_indetail.pictures.convert import tensor_picture
from lib_indetail.run.host import Host, Model
from lib_indetail.run.strips import Frames
from lib_indetail.strip.exploring import Explored
from lib_indetail.strip.neighbours import block_means

Make = Callable[[Sequence[Sequence[float]], int], Frames | None]
"""Of each strip the image at these places, of which it has one, and its number; None where it was stopped."""
See = Callable[[torch.Tensor], list[torch.Tensor]]
"""What latents [n, C, h, w] look like, a feature [F] for each."""


def explored(first: Frames, make: Make, see: See, frames: int, tried: int) -> Frames:
    """So many `frames` of each strip among as many as were `tried`, the `first` ones among them. Where it is stopped,
    of those that are there."""
    strips = [Explored(see(latents), ts) for latents, ts in zip(first.latents, first.ts, strict=True)]
    latents = [dict(zip(ts, made, strict=True)) for made, ts in zip(first.latents, first.ts, strict=True)]
    for number in range(len(first.ts[0]) + 1, tried + 1):
        made = make([[round(strip.next(), DIGITS)] for strip in strips], number)
        if made is None:
            break
        for strip, known, (t,), new in zip(strips, latents, made.ts, made.latents, strict=True):
            strip.add(t, see(new)[0])
            known[t] = new[0]
    count = min(frames, len(strips[0].ts))
    ts = [[strip.ts[number] for number in strip.chosen(count)] for strip in strips]
    chosen = [torch.stack([known[t] for t in of_strip]) for known, of_strip in zip(latents, ts, strict=True)]
    return Frames(torch.stack(chosen), ts, first.rows, first.seeds)


def seen_by(host: Host, model: Model) -> See:
    """By an image tower that the host has loaded already, else by means of 8 x 8 pixels."""
    tower = host.image_tower()

    def see(latents: torch.Tensor) -> list[torch.Tensor]:
        pictures = [tensor_picture(model.decode(latent[None])[0]) for latent in latents]
        return [tower(each) if tower else block_means(np.asarray(each.convert("RGB"))) for each in pictures]

    return see
