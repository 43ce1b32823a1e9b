"""`python -m benchmarks.host`: the same on a real WebUI, beside ControlNet's reference_only.

The WebUI is found as the tests find it (SD_WEBUI_DIR, SD_WEBUI_CONTROLNET) and gets a checkpoint of SD 1.5's shape
with random weights. Times are those of whole API calls.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.results import machine, write
from embedded.pictures import draw, random_scene
from tests.webui.checkpoints import build
from tests.webui.host import Host, encoded, find_controlnet, find_webui, own_copy, python_of, with_controlnet

CHECKPOINT = "sd15-shaped"


@contextmanager
def running(cpu: bool) -> Iterator[Host]:
    with tempfile.TemporaryDirectory() as folder:
        checkpoints, data = Path(folder, "checkpoints"), Path(folder, "data")
        checkpoints.mkdir()
        build(find_webui(), python_of(find_webui()), checkpoints, (CHECKPOINT,))
        host = Host(find_webui(), data, {"sd-webui-indetail": own_copy(Path(folder)), **with_controlnet()}, cpu=cpu)
        host.add_checkpoints(checkpoints)
        try:
            host.start()
            host.options(sd_model_checkpoint=f"{CHECKPOINT}.safetensors", samples_save=False)
            yield host
        finally:
            host.stop()


class Arms:
    """What is timed. Cold arms have a picture that nobody has seen; warm and no bank that of the cold arm before."""

    def __init__(self, host: Host, size: int, steps: int, batch: int):
        self._host, self._size, self._steps, self._drawn = host, size, steps, np.random.default_rng(3)
        self._fields = dict(width=size, height=size, steps=steps, batch_size=batch, send_images=False)
        self._new_picture()

    def others(self) -> dict[str, Callable[[], None]]:
        return {"plain": self._make,
                **{f"cold, {kind}": partial(self._cold, inversion=kind, levels="all")
                   for kind in ("one pass", "parallel", "DDIM")},
                **{f"reference_only, fidelity {fidelity:g}": partial(self._reference, fidelity)
                   for fidelity in (0.5, 1.0)}}

    def in_this_order(self) -> dict[str, Callable[[], None]]:
        return {"default": self._cold, "warm": self._indetail, "no bank": self._without_bank}

    def _make(self, **fields) -> None:
        self._host.make(**self._fields, **fields)

    def _indetail(self, **settings) -> None:
        """With the default, but for what is said."""
        self._make(indetail={"image": self._picture, **settings})

    def _cold(self, **settings) -> None:
        self._new_picture()
        self._indetail(**settings)

    def _without_bank(self) -> None:
        self._host.options(indetail_bank_mb=0)
        self._indetail()
        self._host.options(indetail_bank_mb=-1)

    def _new_picture(self) -> None:
        picture = Image.fromarray(draw(random_scene(self._drawn)))
        self._picture = encoded(picture.resize((self._size, self._size)))

    def _reference(self, fidelity: float) -> None:
        unit = {"enabled": True, "module": "reference_only", "model": "None", "image": self._picture, "weight": 1.0,
                "resize_mode": "Crop and Resize", "control_mode": "Balanced", "threshold_a": fidelity,
                "guidance_start": 0.0, "guidance_end": 1.0}
        self._make(alwayson_scripts={"controlnet": {"args": [unit]}})


def measure(arms: Arms, rounds: int, only: list[str] | None = None) -> dict[str, list[float]]:
    """Seconds of every run, also as they come on stderr; the first of all is not counted."""
    others, in_order = arms.others(), arms.in_this_order()
    others, in_order = ({name: call for name, call in each.items() if not only or name in ("plain", *only)}
                        for each in (others, in_order))
    seconds: dict[str, list[float]] = {name: [] for name in {**others, **in_order}}
    others["plain"]()
    for turn in range(rounds):
        for name, generate in [*list(others.items())[::1 if turn % 2 == 0 else -1], *in_order.items()]:
            begun = time.perf_counter()
            generate()
            seconds[name].append(time.perf_counter() - begun)
            print(f"{name}: {seconds[name][-1]:.1f} s", file=sys.stderr, flush=True)
    return seconds


def section(seconds: dict[str, list[float]], heading: str) -> str:
    plain = median(seconds["plain"])
    lines = [f"## {heading}", "", f"Medians of {len(seconds['plain'])} runs.", "",
             "| | times plain | lowest, highest |", "| --- | --- | --- |"]
    for name, each in seconds.items():
        lines.append(f"| {name} | {median(each) / plain:.2f} | {min(each) / plain:.2f}, {max(each) / plain:.2f} |")
    return "\n".join(lines) + "\n"


def name_of(host: Host) -> str:
    """As it tells of itself in an infotext."""
    made, = host.make(width=64, height=64, steps=1)
    version = re.search(r"Version: (\S+)", Image.open(io.BytesIO(made)).info["parameters"])[1]
    return f"Forge family {version}" if host.is_forge else "WebUI"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.host", description=__doc__.splitlines()[0])
    parser.add_argument("--gpu", action="store_true", help="the host computes on its GPU, as its own settings say")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--size", type=int)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", help="these arms beside plain; warm needs default")
    arguments = parser.parse_args()
    size = arguments.size or (512 if arguments.gpu else 256)
    if find_webui() is None or find_controlnet() is None:
        raise SystemExit("NOT RUN: no WebUI at SD_WEBUI_DIR with ControlNet at SD_WEBUI_CONTROLNET.")
    with running(not arguments.gpu) as host:
        for batch in arguments.batch:
            seconds = measure(Arms(host, size, arguments.steps, batch), arguments.rounds, arguments.only)
            text = section(seconds, f"{name_of(host)}: {size}x{size}, batch {batch}, {arguments.steps} steps, "
                                    f"{machine(arguments.gpu)}")
            print(text, flush=True)
            write(text)


if __name__ == "__main__":
    main()
