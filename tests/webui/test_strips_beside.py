"""Strips beside all else that a generation may have: texts of every form, networks, styles, plots, and stops."""

from __future__ import annotations

import io
import re
from itertools import pairwise

import pytest
from PIL import Image

from embedded.files import UNET
from tests.webui.host import difference, paper
from tests.webui.test_off import KINDS as OFF_KINDS
from tests.webui.test_options import write_lora
from tests.webui.test_rows import LONG
from tests.webui.test_strips import STRIP, check_ends, made, refusal
from tests.webui.test_xyz import cells

FRAMES = 4
KINDS = {"image prompts": 2, "morph": 2, "image strength": 1}
"""How many image prompts each has."""
HIRES = OFF_KINDS["hires"]


def prompts(*pictures) -> list[dict]:
    return [{"image": each, **paper(6), "inversion_text": "empty"} for each in pictures]


@pytest.fixture
def strip(host, picture, other):
    """A strip of a kind."""
    def strip(kind, prompt_b="", **fields):
        wish = {**STRIP, "interpolate": kind, "prompt_b": prompt_b, **fields.pop("wish", {})}
        asked = {"prompts": prompts(picture, other)[:KINDS[kind]], "shared": wish}
        return host.make(indetail=asked, **{"steps": 4, **fields})

    return strip


@pytest.fixture
def ends(host, picture, other):
    """What the ends of a kind are: ordinary images."""
    def ends(kind, prompt="a star", prompt_b="", **fields):
        given = {"image prompts": (picture, other), "image strength": (None, picture)}[kind]
        return [host.make(indetail=image and {"prompts": prompts(image)}, prompt=text, steps=4, **fields)[0]
                for image, text in zip(given, (prompt, prompt_b or prompt), strict=True)]

    return ends


def apart(frames) -> int:
    """The least difference of two neighbours."""
    return min(difference(*pair) for pair in pairwise(frames))


def same(frames, others) -> int:
    return max(difference(*pair) for pair in zip(frames, others, strict=True))


TEXTS = {
    "emphasis and BREAK": ("(a star:1.4) BREAK blue", "a (heart:1.3) BREAK red"),
    "BREAK, no prompt B": ("a (star:1.2) BREAK blue", ""),
    "editing": ("[a star:a circle:0.5]", "a heart"), "editing, no prompt B": ("[a star:a circle:0.5]", ""),
    "editing of both": ("[a star:a circle:0.5]", "[a heart:a ring:0.2]"),
    "long": (f"a star, {LONG}", f"a heart, {LONG}"), "long, no prompt B": (f"a star, {LONG}", ""),
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", ["image prompts", "image strength"])
def test_ends_of_pictures_are_ordinary_images_with_texts_of_every_form(strip, ends, kind, text):
    prompt, prompt_b = TEXTS[text]
    frames = strip(kind, prompt_b, prompt=prompt)
    first, last = ends(kind, prompt, prompt_b)
    assert len(frames) == FRAMES and difference(frames[0], first) <= 1 and difference(frames[-1], last) <= 1
    assert apart(frames) > 2


@pytest.mark.parametrize("text", ["emphasis and BREAK", "editing of both", "long, no prompt B"])
def test_a_morph_ends_with_its_pictures_whatever_the_text(strip, text):
    prompt, prompt_b = TEXTS[text]
    frames, plain = strip("morph", prompt_b, prompt=prompt), strip("morph", prompt="")
    assert same((frames[0], frames[-1]), (plain[0], plain[-1])) == 0
    assert apart(frames) > 2 and difference(frames[1], plain[1]) > 2


@pytest.mark.parametrize("kind", ["image prompts", "image strength"])
@pytest.mark.parametrize("is_longer", [False, True])
def test_texts_of_different_lengths_leave_the_ends_as_they_are(strip, ends, kind, is_longer):
    texts = ("a star", f"a heart, {LONG}") if is_longer else (f"a star, {LONG}", "a heart")
    frames, wanted = strip(kind, texts[1], prompt=texts[0]), ends(kind, *texts)
    assert same((frames[0], frames[-1]), (wanted[0], wanted[-1])) <= 1
    assert apart(frames) > 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prompt_b", ["", "a heart"])
def test_rows_in_parts_give_the_same_strip(host, strip, kind, prompt_b):
    whole = strip(kind, prompt_b)
    host.options(batch_cond_uncond=False)
    assert same(strip(kind, prompt_b), whole) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_each_strip_of_a_batch_is_the_one_alone(strip, kind):
    whole = strip(kind, "a heart", batch_size=2, n_iter=2)
    assert len(whole) == 4 * FRAMES
    for number in (1, 2):
        alone = strip(kind, "a heart", seed=7 + number)
        assert same(whole[FRAMES * number:FRAMES * (number + 1)], alone) <= 1


@pytest.fixture
def network(host):
    """A LoRA of the host's."""
    write_lora(host.folder / "models" / "Lora", "strips", "output_blocks_0_1_transformer_blocks_0",
               UNET["model_channels"] * UNET["channel_mult"][-1])
    assert host.post("/sdapi/v1/refresh-loras")[0] == 200
    return "<lora:strips:1>"


def test_a_network_of_the_prompt_acts_on_the_whole_strip(host, network):
    prompt, prompt_b = f"a star {network}", f"a heart {network}"
    frames = made(host, wish={"prompt_b": prompt_b}, prompt=prompt)
    check_ends(host, frames, prompt=prompt, prompt_b=prompt_b)
    assert same(made(host, wish={"prompt_b": "a heart"}, prompt=prompt), frames) == 0
    assert min(difference(*pair) for pair in zip(made(host), frames, strict=True)) > 2


@pytest.mark.parametrize("label", ["Prompt B", "Guide prompt"])
def test_a_network_that_the_prompt_lacks_or_weighs_otherwise_is_refused(host, network, label):
    name = label.lower().replace(" ", "_")
    for prompt, tag in (("a star", network), (f"a star {network}", "<lora:strips:0.5>")):
        said = refusal(host, {name: f"a heart {tag}"}, prompt=prompt)
        assert f"{label} has {tag}, which the prompt itself lacks" in said
    assert not host.get("/probe/state")[1]["calls"]


def test_a_style_is_in_both_ends(host):
    host.post("/probe/styles", {"framed": "{prompt}, red", "behind": "a ring"})
    styles = ["framed", "behind"]
    frames = made(host, styles=styles)
    for end, text in ((0, "a star"), (-1, "a heart")):
        assert difference(frames[end], host.make(prompt=f"{text}, red, a ring")[0]) <= 1
    assert difference(frames[-1], made(host)[-1]) > 2
    assert same(made(host, wish={"guide_prompt": "a heart"}, styles=styles)[:1], frames[:1]) <= 1


def test_a_plot_over_the_place_and_the_way(host):
    ways = "layout", "concept"
    grid = cells(host, {"shared": STRIP}, (".One frame at", "0, 0.5, 1"), (".Between", ", ".join(ways)))
    wanted = [frame for way in ways for frame in made(host, wish={"frames": 3, "between": way})]
    assert same(grid, wanted) <= 1
    assert difference(grid[1], grid[4]) > 2


FEW, SECOND = {**HIRES, "hr_second_pass_steps": 4, "steps": 4}, 4
"""Calls of the UNet in a second pass."""


def stopped(host, make, before_end: float) -> tuple[list[bytes], list[bytes]]:
    """What it makes, and what it makes where it is stopped so many calls of the UNet before its end."""
    make()
    host.post("/probe/forget")
    whole = make()
    calls = len(host.get("/probe/state")[1]["calls"])
    host.post("/probe/forget")
    host.post("/probe/then", {"after": int(calls - before_end), "what": "interrupted"})
    return whole, make()


def check_at_rest(host, plain) -> None:
    """Nothing is left, and the next plain image is what one was before."""
    state = host.get("/probe/state")[1]
    assert state["hooks"] == 0 and not state["held"]
    host.post("/probe/reset")
    assert host.make() == plain


@pytest.mark.parametrize("kind", ["image prompts", "morph"])
def test_stopped_while_it_is_sampled_a_strip_comes_back_whole(host, strip, kind):
    plain = host.make()
    whole, frames = stopped(host, lambda: strip(kind), 3)
    assert len(frames) == FRAMES and difference(frames[1], whole[1]) > 2
    check_at_rest(host, plain)


@pytest.mark.parametrize("kind", ["prompts", "morph"])
def test_stopped_between_second_passes_the_frames_that_are_done_come_back(host, strip, kind):
    def make():
        return strip(kind, "a heart", **FEW) if kind in KINDS else made(host, **FEW)

    plain = host.make()
    whole, done = stopped(host, make, 1.5 * SECOND)
    assert len(done) == FRAMES - 1 and same(done[:-1], whole[:2]) == 0 and difference(done[-1], whole[2]) > 2
    texts = [Image.open(io.BytesIO(each)).info["parameters"] for each in done]
    assert [re.search(r"InDetail t: ([\d.]+)", text)[1] for text in texts] == ["0.0", "0.33333333", "0.66666667"]
    check_at_rest(host, plain)
