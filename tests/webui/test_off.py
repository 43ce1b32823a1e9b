"""Off means as if the extension were not installed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.webui.host import difference, encoded, pixels

MASK = Image.new("L", (128, 128), 0)
MASK.paste(255, (32, 32, 96, 96))
START = encoded(Image.fromarray((np.indices((128, 128)).sum(0)[..., None] % 256).astype(np.uint8).repeat(3, 2)))
KINDS = {
    "txt2img": dict(mode="txt2img", batch_size=2),
    "img2img": dict(mode="img2img", init_images=[START], denoising_strength=0.6),
    "inpaint": dict(mode="img2img", init_images=[START], mask=encoded(MASK), denoising_strength=0.7),
    "only masked": dict(mode="img2img", init_images=[START], mask=encoded(MASK), denoising_strength=0.7,
                        inpaint_full_res=True, inpaint_full_res_padding=8),
    "hires": dict(mode="txt2img", enable_hr=True, hr_scale=1.5, hr_upscaler="Latent", denoising_strength=0.6),
}


@pytest.mark.parametrize("kind", KINDS)
def test_installed_and_off_gives_the_same_bytes(bare_pictures, host, kind):
    assert host.make(**KINDS[kind]) == bare_pictures[kind]
    assert host.make(**KINDS[kind], indetail={"enabled": False}) == bare_pictures[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_strength_zero_gives_the_same_pixels_and_inverts_nothing(bare_pictures, host, picture, kind):
    made = host.make(**KINDS[kind], indetail={"image": picture, "strength": 0})
    assert [difference(a, b) for a, b in zip(made, bare_pictures[kind], strict=True)] == [0] * len(made)
    state = host.get("/probe/state")[1]
    assert (state["notes"], state["records"], state["chains"]) == ([], [], 0)


def test_after_a_run_with_it_a_plain_run_is_as_before(bare_pictures, host, picture):
    for _ in range(2):
        host.make(indetail={"image": picture})
    assert host.make(**KINDS["txt2img"]) == bare_pictures["txt2img"]
    assert host.get("/probe/state")[1]["hooks"] == 0


def test_the_comparison_can_tell_pictures_apart(bare_pictures, host):
    other = host.make(**{**KINDS["txt2img"], "seed": 8})
    assert np.abs(pixels(other[0]) - pixels(bare_pictures["txt2img"][0])).max() > 20
