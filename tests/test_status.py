"""The page's lines of text: what will happen, what has happened, what is kept."""

from __future__ import annotations

import html

import pytest

from lib_indetail.ask import words
from lib_indetail.run.recent_sentences import MOST, Told
from lib_indetail.run.status import kept_text, last_run, line, plan_text, size_of, sizes_with, strip_text
from tests.frozen.wishes import picture

BAD = "The image is not a picture that can be read."


def planned(*args, **kwargs) -> str:
    return html.unescape(plan_text(*args, **kwargs))


@pytest.mark.parametrize(("given", "kind", "said"), [
    (dict(enabled=False), "off", words.OFF), (dict(enabled=True), "warning", words.NO_PICTURE),
    (dict(enabled=True, sizes={1: (64, 64)}, strength=0), "off", words.STRENGTH_ZERO),
    (dict(enabled=True, sizes={1: BAD}), "error", BAD),
    (dict(enabled=True, sizes={1: (64, 64), 3: BAD}), "error", f"Image prompt 3: {BAD}"),
    (dict(enabled=True, sizes={1: (64, 64)}, width=96, height=96), "ready",
     "The image prompt (64x64) will be inverted at 96x96."),
    (dict(enabled=True, sizes={1: (64, 64), 2: (64, 64)}, strength=0, width=96, height=96), "ready",
     "Image prompt 2 (64x64) will be inverted at 96x96."),
    (dict(enabled=True, sizes={1: (200, 100)}, width=96, height=96), "warning",
     "The image prompt (200x100) will be inverted at 96x96; cropping it to shape cuts off 50% of it."),
    (dict(enabled=True, sizes={1: (64, 64), 2: (100, 200)}, width=96, height=96), "warning",
     "2 image prompts will be inverted at 96x96; cropping image prompt 2 to shape cuts off 50% of it."),
    (dict(enabled=True, sizes={1: (200, 100)}, width=96, height=96, resize="fit"), "ready",
     "The image prompt (200x100) will be inverted at 96x96."),
    (dict(enabled=True, sizes={1: (64, 64)}, width=96, height=96, task="structure-guided"), "ready",
     "The image prompt (64x64) will be inverted at 96x96. A ControlNet unit gives the structure; the authors use CFG "
     "scale 5."),
    (dict(enabled=True, sizes={1: (64, 64)}, in_the_way=lambda: "InDetail cannot act: so it is."), "error",
     "InDetail cannot act: so it is."),
])
def test_the_plan_says_what_will_happen_or_why_nothing_will(given, kind, said):
    mark = " data-refused" if given.get("sizes", {}).get(1) == BAD else ""
    assert planned(**given) == f"<p class='indetail-{kind}'{mark}>{said}</p>"


def test_a_refused_first_picture_is_marked_also_while_it_is_off():
    assert "data-refused" in plan_text(False, {1: BAD}) and "data-refused" not in plan_text(False, {1: (4, 4)})


def test_sizes_are_those_of_pictures_as_they_were_given():
    assert size_of(None) is None and size_of(picture(0, 64, 32)) == (64, 32)
    assert size_of("bm8=") == BAD
    assert sizes_with(2, picture(0, 64, 32), {1: (4, 4), 2: (5, 5)}) == {1: (4, 4), 2: (64, 32)}
    assert sizes_with(1, None, {1: (4, 4), 2: (5, 5)}) == {2: (5, 5)}


def test_the_last_run_is_told_by_what_the_host_shows_of_it():
    told = Told()
    for text in ("inverted in 2 s.", "the image prompt's inversion was still there.", "another \"one\" <b>."):
        told.add(text)
    told.add("Lambda must be lower.", refuses=True)
    shown = "<p>Time</p><div class='comments'>" + html.escape(
        "InDetail: the image prompt's inversion was still there.\nInDetail: another \"one\" <b>.") + "</div>"
    assert html.unescape(last_run(shown, "", told)) == (
        "<p class='indetail-done'>Last run: the image prompt's inversion was still there. another \"one\" <b>.</p>")
    refused = f"<div class='error'>InDetail: {html.escape('Lambda must be lower.')}</div>"
    assert last_run(refused, "", told) == "<p class='indetail-error'>Last run: Lambda must be lower.</p>"
    assert last_run(refused, line("Lambda must be lower."), told) == ""
    assert last_run("<p>Time taken: 1 s</p>", "", told) == last_run("", "", told) == ""


def test_of_two_sentences_one_within_the_other_the_longer_is_told():
    told = Told()
    told.add("It was read.")
    told.add("It was read. It was kept.")
    assert [said.text for said in told.shown_in("InDetail: It was read. It was kept.")] == ["It was read. It was kept."]


def test_not_more_is_held_than_the_last_sentences():
    told = Told()
    for number in range(MOST + 1):
        told.add(f"sentence {number}.")
    assert told.shown_in("sentence 0.") == [] and len(told.shown_in("sentence 1. sentence 2.")) == 2


def test_what_is_kept_is_counted():
    counts = {"pictures": 1, "inversions": 2, "levels": 9, "bytes": 3 * 2**20, "bank_bytes": 2**20,
              "inversions_on_disk": 2, "disk_bytes": 2**19, "kept_pictures": 4, "kept_bytes": 5}
    assert kept_text(counts) == line("Kept in memory: inversions: 2 (3.0 MB); noise levels with keys and values: 9 "
                                     "(1.0 MB). On disk: inversions: 2 (0.5 MB).")
    nothing = dict.fromkeys(counts, 0) | {"kept_pictures": 4}
    assert kept_text(nothing) == line(words.NOTHING_KEPT)


@pytest.mark.parametrize(("wish", "said"), [
    ({}, ""),
    ({"interpolate": "prompts"},
     "A strip of 5 images from the prompt to itself: write a prompt B, for each image of the batch."),
    ({"interpolate": "prompts", "prompt_b": "a heart", "frame_at": "0.25"},
     "One image at 0.25 of the way from the prompt to prompt B, with both ends beside it."),
    ({"interpolate": "image prompts", "places": "beta", "frames": 4},
     "A strip of 4 images from the first image prompt to the second, at 0, 0.608, 0.745, 1, for each image of the "
     "batch."),
    ({"interpolate": "morph", "places": "adaptive", "frames": 6},
     "A strip of 6 images from the first picture itself to the second, the smoothest of 12 that are tried, for each "
     "image of the batch."),
    ({"interpolate": "image strength", "places": "0, 0.4, 1"},
     "A strip of 3 images from the text alone to the whole image prompt, at 0, 0.4, 1, for each image of the batch."),
    ({"interpolate": "prompts", "places": "0.4"},
     "Places must be even, beta, adaptive, or 3 to 15 rising places from 0 to 1 such as 0, 0.4, 1, not '0.4'.")])
def test_what_comes_of_a_strip_is_said(wish, said):
    assert strip_text(wish) == said
