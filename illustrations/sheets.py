"""Sheets: image prompts beside what was made of them, through the WebUI's API."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from embedded.demo import unseen
from embedded.pictures import SIZE, edge_map, with_article
from embedded.sheet import Cell, save_sheet
from illustrations.shown import CROSS_PROMPT, FOLDER, PICTURES
from illustrations.studio import Studio, drawn
from tests.webui.host import encoded
from tests.webui.test_controlnet import units

SHAPES = ("star", "heart", "arrow", "square")
IMAGE_PROMPT = (20, "circle", "dotted")


def image_prompt() -> Path:
    """The image prompt of the first picture, as a file to drop into the page."""
    drawn(*IMAGE_PROMPT).save(FOLDER / "image_prompt.png")
    return FOLDER / "image_prompt.png"


def off_on(studio: Studio, path: Path) -> None:
    picture = drawn(*IMAGE_PROMPT)
    rows = []
    for prompt, wish, name in zip(("a circle", "a star"), PICTURES["off_on"].wishes, ("the defaults", "Most detail"),
                                  strict=True):
        plain, = studio.made(prompt)
        made, = studio.made(prompt, picture, wish)
        rows.append([Cell(picture, "image prompt"), Cell(plain, f'off: "{prompt}"'),
                     Cell(made, f'on, {name}: "{prompt}"')])
    save_sheet(path, "One image prompt, the same seed", rows)


def pattern(studio: Studio, path: Path) -> None:
    _shapes(studio, path, "pattern", "Pattern", [(21, "square", "diagonal"), (22, "flower", "checked")])


def detail(studio: Studio, path: Path) -> None:
    """Patterns that attention alone does not hold together, and the slider."""
    rows = []
    for shape, scene in (("star", (27, "circle", "gridded")), ("heart", (28, "square", "latticed")),
                         ("square", (29, "flower", "ringed"))):
        picture, prompt = drawn(*scene), with_article(shape)
        made = [studio.made(prompt, picture, wish)[0] for wish in PICTURES["detail"].wishes]
        rows.append([Cell(picture, "image prompt"), Cell(studio.made(prompt)[0], f'off: "{prompt}"'),
                     *(Cell(each, f"Detail {wish['detail']:g}")
                       for each, wish in zip(made, PICTURES["detail"].wishes, strict=True))])
    save_sheet(path, "Detail", rows)


def colours(studio: Studio, path: Path) -> None:
    _shapes(studio, path, "colours", "Colours", [(23, "circle", "shaded"), (24, "heart", "dotted")])


def _shapes(studio: Studio, path: Path, name: str, title: str, scenes: list[tuple[int, str, str]]) -> None:
    """A row for each image prompt, and one without any."""
    wish, = PICTURES[name].wishes
    prompts = [with_article(shape) for shape in SHAPES]
    rows = []
    for scene in scenes:
        picture = drawn(*scene)
        made = [studio.made(prompt, picture, wish)[0] for prompt in prompts]
        rows.append([Cell(picture, "image prompt"), *map(Cell, made, (f'"{each}"' for each in prompts))])
    plain = [studio.made(prompt)[0] for prompt in prompts]
    rows.append([Cell(Image.new("RGB", (SIZE, SIZE), "white"), "InDetail off"), *map(Cell, plain, prompts)])
    save_sheet(path, title, rows)


def structure(studio: Studio, path: Path) -> None:
    """Edges for ControlNet, details from the image prompt; the prompt is empty."""
    wish, = PICTURES["structure"].wishes
    rows = []
    for shape, scene in (("star", (25, "circle", "striped")), ("arrow", (26, "heart", "latticed"))):
        edges = Image.fromarray(edge_map(unseen(30, shape, "dotted")))
        fields = {"cfg_scale": 5, **units({"image": encoded(edges)})}
        plain = studio.made("", **fields)[0]
        made = [studio.made("", drawn(*scene), wish, **fields, seed=seed)[0] for seed in (1, 2)]
        rows.append([Cell(edges, "ControlNet"), Cell(drawn(*scene), "image prompt"), Cell(plain, "InDetail off"),
                     *(Cell(each, f"on, seed {seed}") for seed, each in zip((1, 2), made, strict=True))])
    save_sheet(path, "Structure", rows)


def masks(studio: Studio, path: Path) -> None:
    """Where to put it: the left half."""
    half = np.zeros((SIZE, SIZE), np.uint8)
    half[:, :SIZE // 2] = 255
    mask, picture = Image.fromarray(half), drawn(*IMAGE_PROMPT)
    cells = [Cell(picture, "image prompt"), Cell(mask.convert("RGB"), "output mask")]
    for name, wish in (("with the mask", {"output_mask": encoded(mask)}), ("without it", {})):
        cells.append(Cell(studio.made("a square", picture, {**CROSS_PROMPT, "adain": 0.0, **wish})[0], name))
    save_sheet(path, "Output mask", [[*cells, Cell(studio.made("a square")[0], "InDetail off")]])


def plot(studio: Studio, path: Path) -> None:
    infos = studio.host.get("/sdapi/v1/script-info")[1]
    script = next(each for each in infos if each["name"] == "x/y/z plot" and not each["is_img2img"])
    axes = script["args"][0]["choices"]
    x, y = axes.index("[InDetail] Lambda"), axes.index("[InDetail] Stratified until")
    args = [x, "0-1 [5]", [], y, "0.2, 0.6, 1", [], 0, "", [], True, False, False, False, False, False, False, 0, True]
    grid, *_ = studio.made("a star", drawn(*IMAGE_PROMPT), CROSS_PROMPT, script_name="x/y/z plot", script_args=args)
    grid.save(path)


def attention(studio: Studio, path: Path) -> None:
    *_, heat = studio.made("a star", drawn(*IMAGE_PROMPT), {**CROSS_PROMPT, "show": ["attention"]})
    heat.save(path)
