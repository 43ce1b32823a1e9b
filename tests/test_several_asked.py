"""Further pictures, their masks and settings, as the page and the API ask for them and infotext keeps them."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from lib_indetail import __version__
from lib_indetail.ask.infotext import LABELS, written
from lib_indetail.ask.page_order import (
    FROZEN,
    FROZEN_FOR,
    FURTHER,
    IF_OWN,
    MOST_PICTURES,
    OF_FURTHER,
    POSITIONS,
    SETTINGS,
    numbered,
    with_newer,
)
from lib_indetail.ask.request import Request
from lib_indetail.ask.settings import SHARED, Settings
from lib_indetail.errors import BadPicture, BadSetting
from lib_indetail.pictures.convert import picture_hash
from lib_indetail.pictures.placing import cell_means, part_of, placed, reading_mask
from tests.test_infotext import restored
from tests.test_request import encoded

RED, BLUE = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
HALF = Image.new("L", (8, 8))
HALF.paste(255, (0, 0, 4, 8))


def asked(**fields) -> Request:
    return Request.of([{"image": encoded(RED), **fields}])


def page(**fields) -> list:
    """Positional values, at the page's defaults."""
    defaults = {**Settings().__dict__, **{numbered("own", number): False for number in FURTHER}}
    for number in FURTHER:
        defaults |= {numbered(name, number): getattr(Settings(), name) for name in OF_FURTHER if name in SETTINGS}
    values = {"enabled": True, "image": RED, "task": "image variation", **defaults, **fields}
    return [values.get(name) for name in POSITIONS]


def test_the_order_of_positions_is_what_it_was():
    first = ("enabled", "image", "task", "strength", "lambda_image", "stratified_until", "guidance", "start", "end",
             "replacement_until", "adain", "inversion", "nodes", "blocks", "inversion_text", "own_text", "suffix",
             "resize", "passes", "control_uncond_from", "weight", "strength_schedule", "lambda_schedule",
             "hires_strength", "hires_lambda", "block_weights", "inversion_offset", "side", "colour_match",
             "colour_until", "spread", "inpaint_reference", "reference_mask", "output_mask", "image 2",
             "reference_mask 2", "output_mask 2", "weight 2", "strength 2", "side 2", "own 2", "lambda_image 2")
    assert POSITIONS[:len(first)] == first
    assert len(set(POSITIONS)) == len(POSITIONS) and MOST_PICTURES == 8
    assert POSITIONS[138:143] == FROZEN[138:143] == ("block_weights 8", "show", "levels", "detail", "detail_schedule")


def test_a_newer_setting_moves_nothing():
    settings = [name for name in SETTINGS if name in FROZEN]
    settings.insert(3, "newest")
    assert with_newer(FROZEN, settings) == (*FROZEN, "newest")


def test_a_version_is_made_with_all_settings_among_the_frozen_positions():
    assert __version__ == FROZEN_FOR, "append to FROZEN what POSITIONS has behind it, then name the version"


def test_a_further_picture_takes_the_firsts_settings_but_its_own():
    request = asked(lambda_image=0.3, weight=0.4, nodes=7, strength=0.6, images=[
        {"image": encoded(BLUE)}, {"image": encoded(BLUE), "lambda_image": 0.9, "weight": 0.5, "nodes": 9}])
    second, third = request.further
    assert (second.number, second.settings) == (2, Settings(lambda_image=0.3, nodes=7))
    assert (third.number, third.settings) == (3, Settings(lambda_image=0.9, nodes=9, weight=0.5))
    assert second.picture.getpixel((0, 0)) == (0, 0, 255)
    assert [prompt.number for prompt in request.prompts] == [1, 2, 3]


def test_a_task_is_that_of_all_pictures():
    (second,) = asked(task="structure-guided", images=[{"image": encoded(BLUE)}]).further
    assert second.settings.stratified_until == 0.5


def test_on_the_page_a_tab_counts_with_a_picture_and_has_settings_of_its_own_if_asked():
    fields = {"image 2": None, "weight 2": 0.2, "image 3": BLUE, "strength 3": 0.4, "lambda_image 3": 0.9,
              "lambda_image": 0.1}
    (third,) = Request.of(page(**fields)).further
    assert (third.number, third.settings) == (3, Settings(lambda_image=0.1, strength=0.4))
    (own,) = Request.of(page(**fields, **{"own 3": True})).further
    assert own.settings == Settings(lambda_image=0.9, strength=0.4)


def test_a_change_to_a_further_pictures_value_stands_above_the_page():
    (third,) = Request.of(page(**{"image 3": BLUE}), {"lambda_image 3": 0.9, "weight 3": 0.5}).further
    assert (third.settings.lambda_image, third.settings.weight) == (0.9, 0.5)


def test_the_first_picture_may_be_missing_or_at_strength_0_if_another_acts():
    assert [each.number for each in Request.of(page(**{"image": None, "image 2": BLUE})).prompts] == [2]
    request = asked(strength=0, images=[{"image": encoded(BLUE)}])
    assert [each.number for each in request.prompts] == [2] and request.acts
    with pytest.raises(BadPicture, match="has no image prompt"):
        Request.of(page(image=None))


@pytest.mark.parametrize(("images", "sentence"), [
    ([{"weight": 1}], "Image prompt 2 has no image."),
    ([{"image": encoded(BLUE)}, {"image": encoded(BLUE), "weight": 3}], "Image prompt 3: Weight must be a number"),
    ([{"image": "///"}], "Image prompt 2: The image"),
    ([{"image": encoded(BLUE), "guidance": 0.5}], "There is no field of a further image prompt 'guidance'"),
    ([{"image": encoded(BLUE)}] * 8, "At most 8 image prompts can act together, not 9."),
    ({"image": encoded(BLUE)}, "Images must be a list of objects"),
    (["x"], "Images must be a list of objects"),
    ([{"image": encoded(BLUE), "reference_mask": "///"}], "Image prompt 2: Reference mask: The image"),
    ([{"image": encoded(BLUE), "output_mask": 3}], "Image prompt 2: Output mask must be a picture"),
    ([{"image": encoded(BLUE), "reference_mask": encoded(Image.new("L", (4, 4)))}],
     "Image prompt 2: The reference mask leaves nothing of the image prompt"),
    ([{"image": encoded(BLUE), "strength_schedule": "up"}], "Image prompt 2: Strength schedule must be")])
def test_what_is_wrong_with_a_further_picture_is_said_with_its_number(images, sentence):
    with pytest.raises((BadPicture, BadSetting)) as refused:
        asked(images=images)
    assert str(refused.value).startswith(sentence) and str(refused.value).endswith(".")


def test_in_the_place_of_the_image_there_may_be_all_of_them():
    values = page(**{"image": [{"image": RED, "output_mask": HALF}, encoded(BLUE)], "weight 2": 0.5})
    request = Request.of(values)
    assert (request.picture.tobytes(), request.put.tobytes()) == (RED.tobytes(), HALF.tobytes())
    assert [(each.number, each.settings.weight) for each in request.further] == [(2, 0.5)]
    for images, sentence in (([RED] * 9, "At most 8 image prompts"),
                             ([{"picture": RED}], "There is no field of an image")):
        with pytest.raises(BadSetting, match=sentence):
            Request.of(page(image=images))


def test_masks_are_grey_and_white_ones_are_none():
    request = asked(reference_mask=encoded(HALF), output_mask=encoded(Image.new("RGB", (3, 3), "white")))
    assert request.put is None
    assert (request.take.mode, request.take.size, request.take.getpixel((0, 0)), request.take.getpixel((7, 0))) == (
        "L", (8, 8), 255, 0)


def test_transparency_is_a_reference_mask_and_multiplies_with_one():
    see_through = RED.copy()
    see_through.putalpha(HALF)
    assert asked(image=encoded(see_through)).take.tobytes() == HALF.tobytes()
    top = Image.new("L", (8, 8))
    top.paste(255, (0, 0, 8, 4))
    take = asked(image=encoded(see_through), reference_mask=encoded(top)).take
    assert [take.getpixel(at) for at in ((0, 0), (7, 0), (0, 7), (7, 7))] == [255, 0, 0, 0]
    transparent_mask = Image.new("RGBA", (8, 8), (255, 255, 255, 0))
    assert asked(output_mask=encoded(transparent_mask)).put.getextrema() == (0, 0)


def test_of_a_canvas_what_was_painted_counts_else_what_was_put_there():
    nothing, painted = Image.new("RGB", (8, 8)), Image.merge("RGB", [HALF] * 3)
    assert Request.of(page(reference_mask={"image": RED.convert("RGBA"), "mask": nothing})).take is None
    take = Request.of(page(reference_mask={"image": RED.convert("RGBA"), "mask": painted})).take
    assert take.tobytes() == HALF.tobytes()
    assert Request.of(page(output_mask={"image": HALF, "mask": nothing})).put.tobytes() == HALF.tobytes()
    white = Image.new("RGB", (8, 8), "white")
    assert Request.of(page(output_mask={"image": white, "mask": nothing})).put is None


def test_a_canvas_may_come_as_text_as_the_browser_sends_it():
    def uri(picture):
        return "data:image/png;base64," + encoded(picture)

    nothing, paint = Image.new("RGBA", (8, 8)), Image.new("RGBA", (8, 8))
    paint.putalpha(HALF)
    given = page(image=uri(RED), reference_mask={"image": uri(RED), "mask": uri(paint)})
    assert Request.of(json.loads(json.dumps(given))).take.tobytes() == HALF.tobytes()
    assert Request.of(page(image=uri(RED), reference_mask={"image": uri(RED), "mask": uri(nothing)})).take is None
    put = Request.of(page(output_mask={"image": uri(HALF), "mask": uri(nothing)})).put
    assert put.tobytes() == HALF.tobytes()
    with pytest.raises(BadPicture, match="Output mask: The image is not a picture"):
        Request.of(page(output_mask={"image": uri(HALF), "mask": "AAAA"}))


def test_a_reference_mask_lies_where_its_picture_does():
    picture, mask = Image.new("RGB", (64, 32), "red"), Image.new("L", (64, 32))
    mask.paste(255, (0, 0, 32, 32))
    fitted = [placed(each, 64, 64, "fit") for each in (picture, mask)]
    cells = reading_mask(*fitted).values
    assert cells.shape == (8, 8) and cells[2:6, :3].min() > 0.99
    assert cells[:2].max() == cells[6:].max() == 0 and cells[:, 5:].max() < 0.01
    assert reading_mask(fitted[0], None).hard and not reading_mask(*fitted).hard
    assert reading_mask(placed(picture, 64, 32), None) is None


def test_soft_masks_stay_soft():
    assert cell_means(Image.new("L", (16, 8), 51)).tolist() == [[pytest.approx(0.2)] * 2]


def test_a_part_of_a_picture_is_cut_by_fractions():
    picture = Image.new("RGB", (40, 20))
    picture.putpixel((10, 10), (255, 0, 0))
    part = part_of(picture, (0.25, 0.5, 0.5, 1.0))
    assert part.size == (10, 10) and part.getpixel((0, 0)) == (255, 0, 0)
    assert part_of(picture, None) is picture
    assert part_of(picture, (0.999, 0.999, 1.0, 1.0)).size == (1, 1)


def test_infotext_says_of_a_further_picture_what_differs_from_the_first():
    request = asked(lambda_image=0.3, images=[
        {"image": encoded(BLUE), "weight": 0.5, "side": "negative", "output_mask": encoded(HALF)},
        {"image": encoded(RED), "lambda_image": 0.5, "own_text": "a, b", "start": 0.1}])
    lines = written(request)
    assert {label: value for label, value in lines.items() if label.split()[1].isdigit()} == {
        "InDetail 2 image": picture_hash(BLUE), "InDetail 2 output mask": picture_hash(HALF),
        "InDetail 2 weight": 0.5, "InDetail 2 side": "negative",
        "InDetail 3 image": picture_hash(RED), "InDetail 3 lambda": 0.5, "InDetail 3 own text": "a, b",
        "InDetail 3 start": 0.1}
    assert set(lines) <= set(LABELS)


def test_infotext_brings_further_pictures_back():
    request = asked(lambda_image=0.3, start=0.1, reference_mask=encoded(HALF), images=[
        {"image": encoded(BLUE), "weight": 0.5}, {"image": encoded(RED), "lambda_image": 0.5, "own_text": ""}])
    got = restored(request)
    assert got.notes == ()
    assert got.images == {"image": picture_hash(RED), "image 2": picture_hash(BLUE), "image 3": picture_hash(RED),
                          "reference_mask": picture_hash(HALF)}
    again = Request.of(page(**{**got.values, "image 2": BLUE, "image 3": RED, "reference_mask": HALF}))
    assert again.further == request.further and again.settings == request.settings
    assert [got.values[numbered("own", number)] for number in (2, 3, 4)] == [False, True, False]
    assert got.values["lambda_image 2"] == 0.5  # at its default where it is not its own


def test_what_the_page_does_not_show_of_a_further_picture_is_said():
    got = restored(asked(images=[{"image": encoded(BLUE), "nodes": 7}]))
    assert "InDetail 2 nodes: 7" in got.notes[0]


def test_every_setting_is_shared_or_may_be_a_further_pictures_own():
    fields = {"image": encoded(BLUE)}
    for name in set(SETTINGS) - set(SHARED):
        asked(images=[{**fields, name: getattr(Settings(), name)}])
    assert set(IF_OWN) <= set(SETTINGS) - set(SHARED)
