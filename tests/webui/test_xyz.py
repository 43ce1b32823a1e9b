"""The X/Y/Z plot over our settings, through the host's own script."""

from __future__ import annotations

import base64
import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from embedded.pictures import draw, random_scene
from lib_indetail.ask.page_order import FURTHER, SETTINGS
from lib_indetail.pictures.convert import picture_hash
from tests.webui.host import paper, pixels

CELL = 128


def controls(host) -> list[dict]:
    """Of the host's script: axes first, three controls each."""
    infos = host.get("/sdapi/v1/script-info")[1]
    return next(info for info in infos if info["name"] == "x/y/z plot" and not info["is_img2img"])["args"]


def options(host) -> list[str]:
    return controls(host)[0]["choices"]


TICKED = {"Include Sub Images", "Use text inputs instead of dropdowns"}


def plotted(host, x=("Nothing", ""), y=("Nothing", ""), z=("Nothing", "")) -> dict:
    """The fields of a grid over text values. ".Lambda" is an axis of ours."""
    labels, args = options(host), []
    for label, values in (x, y, z):
        args += [labels.index(f"[InDetail] {label[1:]}" if label[0] == "." else label), values, []]
    for control in controls(host)[len(args):]:
        args.append(control["label"] in TICKED if isinstance(control["value"], bool) else control["value"])
    return {"script_name": "x/y/z plot", "script_args": args}


def plot(host, indetail, x=("Nothing", ""), y=("Nothing", ""), z=("Nothing", ""), **fields):
    """What the host answers: the grid, then every cell."""
    return host.ask(indetail=indetail, **plotted(host, x, y, z), **fields)


def cells(host, *args, **fields) -> list[bytes]:
    status, answer = plot(host, *args, **fields)
    assert status == 200, f"{answer}\n{host.tail()}"
    return [base64.b64decode(picture) for picture in answer["images"][1:]]


def alone(host, picture, **values) -> bytes:
    return host.make(indetail={"image": picture, **paper(10), **values})[0]


def same(first: bytes, second: bytes) -> bool:
    return bool((pixels(first) == pixels(second)).all())


@pytest.fixture
def folder(host):
    """Two pictures in the picture folder, one in a subfolder, and one outside it."""
    place = host.folder / "indetail_pictures"
    (place / "cloth").mkdir(parents=True, exist_ok=True)
    for name, pattern in (("dots.png", "dotted"), ("cloth/bars, thin.png", "barred"), ("../outside.png", "gridded")):
        scene = random_scene(np.random.default_rng(5), shape="circle", pattern=pattern)
        Image.fromarray(draw(scene)).save(place / name)
    yield place
    for path in place.rglob("*.png"):
        path.unlink()


def test_there_is_an_axis_for_every_setting_task_preset_and_picture(host):
    ours = [label for label in options(host) if label.startswith("[InDetail] ")]
    assert len(ours) == len(set(ours)) == len(SETTINGS) + 3 + 3 * len(FURTHER)
    for label in ("Strength", "Lambda", "Stratified until", "Conflict-free guidance", "Start", "End",
                  "Replacement until", "Inversion", "Inversion nodes", "Task", "Blocks", "Inversion text",
                  "Image prompt", "Preset", "Weight of image prompt 2", "Lambda of image prompt 8"):
        assert f"[InDetail] {label}" in ours


SWEEPS = [("Strength", "0.3, 1", "strength", [0.3, 1.0]), ("Lambda", "0.1, 0.9", "lambda_image", [0.1, 0.9]),
          ("Stratified until", "0, 0.7", "stratified_until", [0, 0.7]), ("Start", "0, 0.4", "start", [0, 0.4]),
          ("End", "0.3, 1", "end", [0.3, 1]), ("Replacement until", "0, 0.5", "replacement_until", [0, 0.5]),
          ("Conflict-free guidance", "0, 1", "guidance", [0, 1]), ("Inversion nodes", "5, 10", "nodes", [5, 10]),
          ("Inversion", "DDIM, re-noise", "inversion", ["DDIM", "re-noise"]),
          ("Blocks", "decoder, all", "blocks", ["decoder", "all"]),
          ("Inversion text", "empty, same as the prompt", "inversion_text", ["empty", "same as the prompt"]),
          ("Task", "image variation, cross-prompt", "task", ["image variation", "cross-prompt"])]


@pytest.mark.parametrize(("label", "written", "name", "values"), SWEEPS, ids=[sweep[0] for sweep in SWEEPS])
def test_every_cell_is_the_picture_with_that_value(host, picture, label, written, name, values):
    grid = cells(host, {"image": picture, **paper(10)}, ("." + label, written))
    wanted = [alone(host, picture, **{name: value}) for value in values]
    assert [same(a, b) for a, b in zip(grid, wanted, strict=True)] == [True, True]
    assert not same(*wanted)


@pytest.mark.parametrize(("label", "written", "values"), [
    ("Lambda", "0.2-0.4 (+0.1)", [0.2, 0.3, 0.4]), ("Lambda", "0-1 [3]", [0, 0.5, 1]),
    ("Lambda", "0.2-1 (+0.4)", [0.2, 0.6, 1]), ("Lambda", "0-1 (+0.4)", [0, 0.4, 0.8]),
    ("Inversion nodes", "4-8 (+2)", [4, 6, 8]), ("Inversion nodes", "3-5", [3, 4, 5])])
def test_the_hosts_range_syntax(host, picture, label, written, values):
    status, answer = plot(host, {"image": picture, **paper(10)}, ("." + label, written), steps=1)
    texts = [Image.open(io.BytesIO(base64.b64decode(each))).info["parameters"] for each in answer["images"][1:]]
    key = {"Lambda": ("InDetail lambda", 0.5), "Inversion nodes": ("InDetail nodes", 20)}[label]
    assert status == 200
    assert [float(text.split(f"{key[0]}: ")[1].split(",")[0]) if key[0] in text else key[1] for text in texts] == values


@pytest.mark.parametrize(("axis", "sentence"), [
    ((".Lambda", "0.5, 1.5"), "X axis, Lambda: must be a number from 0.0 to 1.0, not 1.5."),
    ((".Lambda", "0.5, half"), "X axis, Lambda: must be a number from 0.0 to 1.0, not 'half'."),
    ((".Lambda", "0.5, nan"), "X axis, Lambda: must be a number from 0.0 to 1.0, not nan."),
    ((".Inversion nodes", "5, 5.5"), "X axis, Inversion nodes: must be a whole number from 1 to 500, not '5.5'."),
    ((".Strength of image prompt 2", "0.5"), "X axis, Strength of image prompt 2: There is no image prompt 2"),
    ((".Lambda", "0.5, 0.7, 1.6"), "not 1.6."), ((".Inversion nodes", "0"), "Inversion nodes: must be a whole number"),
    ((".Blocks", "decoder, encoder"), "X axis, Blocks: must be one of decoder, middle and decoder, all, not 'encoder'"),
    ((".Task", "portrait"), "X axis, Task: must be one of"),
    ((".Image prompt", "nothing.png"), "X axis, Image prompt: The image prompt folder has no picture 'nothing.png'"),
    ((".Image prompt", "../outside.png"), "not read"), ((".Image prompt", "cloth/../../outside.png"), "not read"),
    ((".Image prompt", "{outside}"), "not read"), ((".Image prompt", "~/a.png"), "not read")])
def test_what_cannot_be_plotted_is_refused_before_the_first_cell(host, picture, folder, axis, sentence):
    axis = (axis[0], axis[1].format(outside=(folder / "../outside.png").resolve()))
    status, answer = plot(host, {"image": picture}, axis)
    assert (status, sentence in answer["detail"]) == (422, True), answer
    assert host.get("/probe/state")[1]["calls"] == []


def test_values_that_do_not_go_together_are_refused_before_the_first_cell(host, picture):
    refused = plot(host, {"image": picture}, (".Start", "0, 0.6"), (".End", "1, 0.5"))
    assert refused[1]["detail"] == "Y axis, End: Start must be less than End, but they are 0.6 and 0.5."
    assert plot(host, {"image": picture, "end": 0.5}, (".Start", "0, 0.6"))[0] == 422
    assert host.get("/probe/state")[1]["calls"] == []
    assert plot(host, {"image": picture, **paper(5)}, (".Start", "0, 0.6"), (".End", "1, 0.7"), steps=1)[0] == 200


def test_the_axis_of_a_bad_value_is_named(host, picture):
    good, bad, nothing = (".Strength", "0.5, 1"), (".Lambda", "0.2, 2"), ("Nothing", "")
    for letter, axes in {"X": (bad, good), "Y": (good, bad), "Z": (nothing, good, bad)}.items():
        status, answer = plot(host, {"image": picture}, *axes)
        assert (status, answer["detail"]) == (422, f"{letter} axis, Lambda: must be a number from 0.0 to 1.0, not 2.0.")


@pytest.mark.parametrize("off", [None, {"enabled": False}, [False]])
def test_a_plot_of_settings_that_are_off_is_refused(host, off):
    status, answer = plot(host, off, (".Lambda", "0.1, 0.9"))
    assert (status, answer["detail"]) == (422, "InDetail is off: switch it on to plot its settings.")


def test_pictures_come_from_the_folder_by_name_and_by_hash(host, picture, folder):
    paths = [folder / "dots.png", folder / "cloth" / "bars, thin.png"]
    line = io.StringIO()
    csv.writer(line).writerow(["cloth/bars, thin.png", picture_hash(Image.open(paths[0]).convert("RGB"))])
    grid = cells(host, paper(10), (".Image prompt", line.getvalue().strip()))
    wanted = [alone(host, base64.b64encode(path.read_bytes()).decode()) for path in (paths[1], paths[0])]
    assert [same(a, b) for a, b in zip(grid, wanted, strict=True)] == [True, True]
    assert not same(*wanted)


def test_pictures_vary_last_so_that_each_is_inverted_once(host, folder):
    cells(host, paper(10), (".Image prompt", 'dots.png,"cloth/bars, thin.png"'), (".Lambda", "0.2, 0.8"), steps=2)
    notes = host.get("/probe/state")[1]["notes"]
    assert ["inverted in" in note for note in notes] == [True, False, True, False]


def test_a_task_brings_its_own_values_into_its_cells(host, picture):
    page = [True, picture, "cross-prompt", 1.0, 0.5, 0.2, 1.0, 0.0, 1.0, 0.0, 1.0, "DDIM", 10]
    grid = cells(host, page, (".Task", "structure-guided, cross-prompt"))
    wanted = [alone(host, picture, task=task, levels="3") for task in ("structure-guided", "cross-prompt")]
    assert [same(a, b) for a, b in zip(grid, wanted, strict=True)] == [True, True]


def test_cells_do_not_leave_their_values_in_the_next_ones_infotext(host, picture):
    _, answer = plot(host, {"image": picture, **paper(10)}, (".Lambda", "0.3, 0.5"), steps=1)
    texts = json.loads(answer["info"])["infotexts"]
    assert ["InDetail lambda: 0.3" in text for text in texts] == [True, True, False]
    assert 'X Type: [InDetail] Lambda, X Values: "0.3, 0.5"' in texts[0]


def test_an_aborted_plot_leaves_nothing(host, picture):
    plain, ours = host.make()[0], alone(host, picture)
    host.post("/probe/forget")
    host.post("/probe/then", {"after": 70, "what": "interrupted"})
    status, _ = plot(host, {"image": picture, **paper(10)}, (".Lambda", "0-1 [6]"), (".Strength", "0.2, 1"), steps=20)
    state = host.get("/probe/state")[1]
    assert status == 200
    assert 70 < len(state["calls"]) < 6 * 2 * 20
    assert state["hooks"] == 0
    assert host.make()[0] == plain
    assert alone(host, picture) == ours
