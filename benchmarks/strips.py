"""`python -m benchmarks.strips`: what a strip of n frames takes beside n plain images, on a real WebUI, in one run.

The WebUI is found as `benchmarks.host` finds it, and has its checkpoint with random weights; times are those of whole
API calls. Between image prompts the first strip inverts and records two pictures, the next ones find them there.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.host import measure, name_of, running, section
from benchmarks.results import machine, write
from embedded.pictures import draw, random_scene
from tests.webui.host import Host, encoded, find_webui

AIM = 1.25
"""Times plain."""


class Arms:
    """See `benchmarks.host.Arms`."""

    def __init__(self, host: Host, size: int, steps: int, frames: int):
        self._host, self._size, self._frames, self._drawn = host, size, frames, np.random.default_rng(3)
        self._fields = dict(width=size, height=size, steps=steps, send_images=False)
        self._pictures = self._new_pictures()

    def others(self) -> dict[str, Callable[[], None]]:
        prompts = {f"prompts, {between}": partial(self._strip, interpolate="prompts", between=between)
                   for between in ("texts alone", "layout", "concept")}
        return {"plain": partial(self._host.make, **self._fields, batch_size=self._frames), **prompts,
                "prompts, layout in all steps": partial(self._strip, interpolate="prompts", interpolated_share=1)}

    def in_this_order(self) -> dict[str, Callable[[], None]]:
        pictures = partial(self._between, interpolate="image prompts")
        return {"image prompts, first": partial(self._first, pictures), "image prompts, again": pictures,
                "image prompts, again, concept": partial(pictures, between="concept"),
                "morph, again": partial(self._between, interpolate="morph"),
                "image strength, again": partial(self._between, interpolate="image strength")}

    def _first(self, make: Callable[[], None]) -> None:
        self._pictures = self._new_pictures()
        make()

    def _between(self, **shared: Any) -> None:
        count = 1 if shared["interpolate"] == "image strength" else 2
        self._strip(prompts=[{"image": picture} for picture in self._pictures[:count]], prompt_b="", **shared)

    def _strip(self, prompts: list[dict[str, str]] | None = None, **shared: Any) -> None:
        wish = {"prompt_b": "a heart", "frames": self._frames, "sheet": "none", **shared}
        self._host.make(**self._fields, indetail={"prompts": prompts or [], "shared": wish})

    def _new_pictures(self) -> list[str]:
        pictures = (Image.fromarray(draw(random_scene(self._drawn))) for _ in range(2))
        return [encoded(picture.resize((self._size, self._size))) for picture in pictures]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.strips", description=__doc__.splitlines()[0])
    parser.add_argument("--gpu", action="store_true", help="the host computes on its GPU, as its own settings say")
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--size", type=int)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    size = asked.size or (512 if asked.gpu else 256)
    if find_webui() is None:
        raise SystemExit("NOT RUN: no WebUI at SD_WEBUI_DIR.")
    with running(not asked.gpu) as host:
        seconds = measure(Arms(host, size, asked.steps, asked.frames), asked.rounds)
        text = section(seconds, f"Strips, {name_of(host)}: {asked.frames} frames of {size}x{size}, {asked.steps} "
                                f"steps, {machine(asked.gpu)}")
        text += f"\nThe aim was at most {AIM} times as many plain images.\n"
        print(text, flush=True)
        write(text)


if __name__ == "__main__":
    main()
