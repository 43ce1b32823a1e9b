"""A picture as its owner sees it: upright, in sRGB, with levels of 8 bits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from PIL import Image

from lib_indetail.errors import BadPicture
from lib_indetail.pictures.convert import picture_hash
from lib_indetail.pictures.eight_bit import eight_bit
from lib_indetail.pictures.srgb import to_srgb

MAX_PIXELS = 100_000_000
_ORIENTATION = 0x0112
_TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
          5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
          8: Image.Transpose.ROTATE_90}
"""How to undo each of EXIF's orientations."""


@dataclass(frozen=True, eq=False)
class AsSeen:
    """`colours` are RGB, `alpha` (L) says how opaque they are, None is everywhere; `notes` say what could not be
    followed. Neither picture carries any metadata."""

    colours: Image.Image
    alpha: Image.Image | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def rgb(self) -> Image.Image:
        """With transparent parts on white."""
        return self._on("white")

    @property
    def grey(self) -> Image.Image:
        """As a mask: transparent parts are black."""
        return self._on("black").convert("L")

    @property
    def rgba(self) -> Image.Image:
        """With its transparency; RGB without any."""
        if self.alpha is None:
            return self.colours
        return Image.merge("RGBA", (*self.colours.split(), self.alpha))

    def _on(self, background: str) -> Image.Image:
        if self.alpha is None:
            return self.colours
        behind = Image.new("RGBA", self.colours.size, background)
        return Image.alpha_composite(behind, self.rgba).convert("RGB")


def as_seen(picture: Image.Image, managed: bool = True) -> AsSeen:
    """Upright, of 8 bits, in sRGB. Not `managed`: without regard to its colours' description, as version 0.4 read it,
    whose infotexts name such pictures. Raises BadPicture."""
    refuse_huge(picture, "The image prompt")
    colours, alpha = eight_bit(picture)
    rgb, note = to_srgb(colours, picture.info) if managed or colours.mode == "LAB" else (colours.convert("RGB"), None)
    turn = _turn(picture)
    rgb, alpha = (each if each is None or turn is None else each.transpose(turn) for each in (rgb, alpha))
    return AsSeen(_bare(rgb), alpha and _bare(alpha), (note,) if note else ())


def refuse_huge(picture: Image.Image, name: str) -> None:
    pixels = picture.width * picture.height
    if pixels > MAX_PIXELS:
        raise BadPicture(f"{name} has {pixels / 1e6:.0f} megapixels; at most {MAX_PIXELS / 1e6:.0f} are taken.")


def _turn(picture: Image.Image) -> Image.Transpose | None:
    """From the camera's note in EXIF; a TIFF's is followed and kept by Pillow. A note that is broken counts as none: no
    camera's error keeps a good picture from being read."""
    if not picture.info.get("exif"):
        return None
    exif = Image.Exif()
    try:
        exif.load(picture.info["exif"])
        return _TURNS.get(exif.get(_ORIENTATION))
    except Exception:
        return None


def _bare(picture: Image.Image) -> Image.Image:
    """Without metadata: a profile that was followed must not be followed once more."""
    if not picture.info:
        return picture
    bare = picture.copy()
    bare.info = {}
    return bare


def names_of(picture: Image.Image) -> tuple[str, str]:
    """The hash that names a picture in an infotext, and the one that version 0.4 gave it. Raises BadPicture."""
    return picture_hash(as_seen(picture).rgb), picture_hash(as_seen(picture, managed=False).rgb)
