"""A real WebUI with the extension, ControlNet and the embedded model, and what it makes of a wish."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from embedded.demo import picture_of, unseen
from illustrations.shown import Wish
from tests.webui.host import FITTING, SEEDING, Host, encoded, find_controlnet, find_webui, own_copy

WEBUI = {"steps": 20, "sampler_name": "DPM++ 2M", "scheduler": "Automatic", "cfg_scale": 7, "seed": 1,
         "width": 128, "height": 128}
"""The host's own defaults, but for the seed and for the size, which is the embedded model's."""


class Studio:
    """`images` are image prompts, as base64 by name; none was drawn in the embedded model's training."""

    def __init__(self, host: Host):
        self.host = host

    def made(self, prompt: str, picture: Image.Image | None = None, wish: Wish | None = None,
             **fields: Any) -> list[Image.Image]:
        """Everything that the host answers: without an image prompt InDetail is off."""
        indetail = None if picture is None else {"image": encoded(picture), **(wish or {})}
        status, answer = self.host.ask(indetail=indetail, **{**WEBUI, "prompt": prompt, **fields})
        if status != 200:
            raise RuntimeError(f"{answer}\n{self.host.tail()}")
        return [Image.open(io.BytesIO(base64.b64decode(each))).convert("RGB") for each in answer["images"]]


def drawn(seed: int, shape: str, pattern: str) -> Image.Image:
    """An image prompt whose combination of shape, pattern and colours the embedded model has never seen."""
    return picture_of(unseen(seed, shape, pattern))


@contextmanager
def studio() -> Iterator[Studio]:
    """Raises SystemExit where there is no WebUI or no ControlNet."""
    webui, controlnet = find_webui(), find_controlnet()
    if webui is None or controlnet is None:
        sys.exit("The pictures are made in a WebUI with ControlNet: name them in SD_WEBUI_DIR and SD_WEBUI_CONTROLNET.")
    with TemporaryDirectory() as folder:
        host = Host(webui, Path(folder, "webui"), {
            "sd-webui-indetail": own_copy(Path(folder, "copy")), "sd-webui-controlnet": controlnet,
            "test-fitting": FITTING, "test-seeding": SEEDING})
        try:
            yield Studio(host.start())
        finally:
            host.stop()
