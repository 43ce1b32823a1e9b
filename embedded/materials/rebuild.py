"""Rebuild the tiles and the silhouettes of this folder from the packages that `tiles.csv` and `silhouettes.csv` name.

    python -m embedded.materials.rebuild tiles FOLDER        # FOLDER/ufoai-textures/usr/share/..., one folder a package
    python -m embedded.materials.rebuild silhouettes FOLDER  # FOLDER/@mdi/svg/svg/..., as npm lays out node_modules
    python -m embedded.materials.rebuild held_out            # draws held_out.txt again

A tile is the largest centred square of its picture, resized to 256x256, as WebP. A silhouette is an icon fitted to
256x256 less a margin, white inside. The same Pillow writes the same bytes.

`held_out.txt` names the families of tiles that no training may see, all of a family or none. They were drawn, not
chosen: a family's kind is its first word ("brick" of "brick-red"), and kinds of fewer than three families are one kind,
"other". In each kind, in the order of the alphabet, the families are shuffled with one `random.Random(1)` and taken in
turn until they hold 14 % of the kind's tiles, rounded, and one at least.
"""

from __future__ import annotations

import csv
import io
import json
import random
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
SIZE = 256
MARGIN = 0.04
QUALITY = 61
HELD_OUT_SHARE = 0.14
HELD_OUT_SEED = 1

_CANVAS = 1024
_GAP = 32
_CRUMB = 0.01
_ICONS = {"@mdi/svg": "svg/{}.svg", "@fortawesome/fontawesome-free": "svgs/solid/{}.svg"}


def rows(name: str) -> Iterator[dict[str, str]]:
    """The lines of a csv file of this folder, as its first line names the columns."""
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def file_name(name: str) -> str:
    """A silhouette's file name without its ending: "chess knight" is "chess-knight"."""
    return name.replace(" ", "-")


def tile(picture: Image.Image) -> Image.Image:
    """The largest centred square of a picture of any size and mode, RGB, 256x256."""
    width, height = picture.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = picture.convert("RGB").crop((left, top, left + side, top + side))
    return square.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def rebuild_tiles(packages: Path) -> int:
    """Write tiles/*.webp from unpacked packages; how many. An archive that is missing raises FileNotFoundError."""
    archives: dict[Path, zipfile.ZipFile] = {}
    (HERE / "tiles").mkdir(exist_ok=True)
    count = 0
    for row in rows("tiles.csv"):
        path = packages / row["package"] / row["archive"]
        if path not in archives:
            archives[path] = zipfile.ZipFile(path)
        with Image.open(io.BytesIO(archives[path].read(row["file"]))) as picture:
            tile(picture).save(HERE / "tiles" / f"{row['name']}.webp", quality=QUALITY, method=6)
        count += 1
    return count


def icon_svg(packages: Path, package: str, icon: str) -> str:
    """The SVG text of an icon. An icon that is missing raises FileNotFoundError or KeyError."""
    if package in _ICONS:
        return (packages / package / _ICONS[package].format(icon)).read_text(encoding="utf-8")
    icons = json.loads((packages / package / "icons.json").read_text(encoding="utf-8"))
    size = f"0 0 {icons['width']} {icons['height']}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}">{icons["icons"][icon]["body"]}</svg>'


def drawn(svg: str) -> np.ndarray:
    """Where the SVG puts ink, [height, width] bool, 1024 wide."""
    import cairosvg
    png = cairosvg.svg2png(svg.replace("currentColor", "#000").encode(), output_width=_CANVAS)
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGBA"))[..., 3] > 127


def repaired(inside: np.ndarray, repair: str) -> np.ndarray:
    """The drawing as one filled shape, [height, width] bool.

    "fill" fills every hole. "close" closes gaps of up to 64 of 1024 pixels. Without a repair only parts under 1 % of
    the whole are dropped, as always.
    """
    from scipy import ndimage
    if repair == "close":
        ground = np.pad(inside, 2 * _GAP)
        grown = ndimage.distance_transform_edt(~ground) < _GAP
        closed = ndimage.distance_transform_edt(grown) > _GAP
        inside = (ground | closed)[2 * _GAP:-2 * _GAP, 2 * _GAP:-2 * _GAP]
    if repair == "fill":
        inside = ndimage.binary_fill_holes(inside)
    parts, count = ndimage.label(inside)
    areas = ndimage.sum_labels(inside, parts, range(1, count + 1))
    return np.isin(parts, 1 + np.flatnonzero(areas > _CRUMB * areas.sum()))


def fitted(inside: np.ndarray) -> Image.Image:
    """The shape [height, width] bool, cut out and fitted to 256x256 less the margin, mode "1"."""
    lines, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    cut = inside[lines[0]:lines[-1] + 1, columns[0]:columns[-1] + 1]
    scale = round(SIZE * (1 - 2 * MARGIN)) / max(cut.shape)
    height, width = (max(1, round(side * scale)) for side in cut.shape)
    shape = Image.fromarray(cut.astype(np.uint8) * 255).resize((width, height), Image.Resampling.LANCZOS)
    square = Image.new("L", (SIZE, SIZE))
    square.paste(shape, ((SIZE - width) // 2, (SIZE - height) // 2))
    return square.point(lambda grey: 255 * (grey > 127)).convert("1", dither=Image.Dither.NONE)


def rebuild_silhouettes(packages: Path) -> int:
    """Write silhouettes/*.png from unpacked icon packages; how many."""
    (HERE / "silhouettes").mkdir(exist_ok=True)
    count = 0
    for row in rows("silhouettes.csv"):
        inside = repaired(drawn(icon_svg(packages, row["package"], row["icon"])), row["repair"])
        fitted(inside).save(HERE / "silhouettes" / f"{file_name(row['name'])}.png", optimize=True)
        count += 1
    return count


def draw_held_out() -> list[str]:
    """The families to hold out, in the order of the alphabet; the docstring above says how they are drawn."""
    sizes: dict[str, int] = {}
    for row in rows("tiles.csv"):
        sizes[row["family"]] = sizes.get(row["family"], 0) + 1
    kinds: dict[str, list[str]] = {}
    for family in sorted(sizes):
        kinds.setdefault(family.partition("-")[0], []).append(family)
    large = {kind: families for kind, families in kinds.items() if len(families) >= 3}
    large["other"] = [family for kind, families in kinds.items() if kind not in large for family in families]
    rng, taken = random.Random(HELD_OUT_SEED), []
    for kind in sorted(large):
        rng.shuffle(large[kind])
        wanted = max(1, round(HELD_OUT_SHARE * sum(sizes[family] for family in large[kind])))
        for family in large[kind]:
            if wanted <= 0:
                break
            taken.append(family)
            wanted -= sizes[family]
    return sorted(taken)


def main(arguments: list[str]) -> int:
    match arguments:
        case ["tiles", folder]:
            print(f"{rebuild_tiles(Path(folder))} tiles were written.")
        case ["silhouettes", folder]:
            try:
                print(f"{rebuild_silhouettes(Path(folder))} silhouettes were written.")
            except ImportError as missing:
                print(f"Rebuilding silhouettes needs cairosvg and scipy, and {missing.name} is missing.")
                return 1
        case ["held_out"]:
            (HERE / "held_out.txt").write_text("\n".join(draw_held_out()) + "\n", encoding="utf-8")
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
