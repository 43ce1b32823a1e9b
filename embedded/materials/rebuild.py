"""Makes tiles and silhouettes anew from the packages that their tables name.

`python -m embedded.materials.rebuild tiles PACKAGES`, where PACKAGES has a folder for each unpacked Debian package
(ufoai-textures 2.5-2, openarena-081-textures 0.8.5split-14), and `... silhouettes PACKAGES`, where it has a folder for
each unpacked npm package (mdi-svg-7.4.47, fortawesome-fontawesome-free-7.3.1, iconify-json-game-icons-1.2.4). The
second needs cairosvg and scipy.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
SIDE = 256
QUALITY = 62
DRAWN = 768
MARGIN = 0.04
GAP = 24
"""How far parts of a drawing lie apart at most, in pixels of DRAWN, that are joined."""


def tiles(packages: Path) -> int:
    """The middle square of each picture, at SIDE pixels. Gives how many were written."""
    opened: dict[str, zipfile.ZipFile] = {}
    rows = _rows("tiles.csv")
    for row in rows:
        archive = row["archive"]
        if archive not in opened:
            opened[archive] = zipfile.ZipFile(next((packages / row["package"]).rglob(archive)))
        picture = Image.open(io.BytesIO(opened[archive].read(row["file"]))).convert("RGB")
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        square.save(_folder("tiles") / f"{row['name']}.webp", quality=QUALITY, method=6)
    return len(rows)


def silhouettes(packages: Path) -> int:
    """Each icon as a filled shape, one bit a pixel. Gives how many were written."""
    rows = _rows("silhouettes.csv")
    for row in rows:
        mask = fitted(repaired(drawn(icon(packages, row["package"], row["icon"])), row["repair"]))
        mask.save(_folder("silhouettes") / f"{row['name'].replace(' ', '-')}.png", optimize=True)
    return len(rows)


def icon(packages: Path, package: str, name: str) -> str:
    """Its SVG."""
    folder = packages / package / "package"
    if package.startswith("iconify"):
        body = json.loads((folder / "icons.json").read_text(encoding="utf-8"))["icons"][name]["body"]
        return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">{body}</svg>'
    return (folder / ("svg" if package.startswith("mdi") else "svgs/solid") / f"{name}.svg").read_text(encoding="utf-8")


def drawn(svg: str) -> np.ndarray:
    """Coverage, [H, W] in 0..255."""
    try:
        import cairosvg
    except ModuleNotFoundError:
        raise SystemExit("Drawing icons needs cairosvg.") from None
    png = cairosvg.svg2png(svg.replace("currentColor", "#000").encode(), output_width=DRAWN)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))[..., 3]


def repaired(cover: np.ndarray, repair: str) -> np.ndarray:
    """[H, W] bool: "close" joins parts that white lines separate, "fill" fills every hole; crumbs are dropped."""
    from scipy import ndimage

    inside = cover > 100
    if repair == "close":
        grown = np.pad(inside, 3 * GAP)
        grown = ndimage.distance_transform_edt(~grown) < GAP
        inside |= (ndimage.distance_transform_edt(grown) > GAP)[3 * GAP:-3 * GAP, 3 * GAP:-3 * GAP]
    elif repair == "fill":
        inside = ndimage.binary_fill_holes(inside)
    parts, count = ndimage.label(inside)
    sizes = ndimage.sum_labels(inside, parts, range(count + 1))
    return inside & np.isin(parts, np.flatnonzero(sizes > 0.01 * sizes.sum()))


def fitted(inside: np.ndarray) -> Image.Image:
    """As large as the square allows, less a margin, in its middle; one bit a pixel."""
    rows, columns = np.where(inside)
    cut = inside[rows.min():rows.max() + 1, columns.min():columns.max() + 1]
    scale = SIDE * (1 - 2 * MARGIN) / max(cut.shape)
    size = max(1, round(cut.shape[1] * scale)), max(1, round(cut.shape[0] * scale))
    shape = Image.fromarray(cut.astype(np.uint8) * 255).resize(size, Image.Resampling.LANCZOS)
    square = Image.new("L", (SIDE, SIDE))
    square.paste(shape, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return square.point(lambda value: 255 * (value >= 128)).convert("1")


def _rows(table: str) -> list[dict[str, str]]:
    with (HERE / table).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _folder(name: str) -> Path:
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m embedded.materials.rebuild", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["tiles", "silhouettes"])
    parser.add_argument("packages", type=Path)
    asked = parser.parse_args()
    made = {"tiles": tiles, "silhouettes": silhouettes}[asked.what](asked.packages)
    print(f"{made} {asked.what} are written.")


if __name__ == "__main__":
    main()
