"""What the host shows of a generation: pictures, each with an infotext of its own."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image


def aligned(processed) -> None:
    """Each picture with an infotext of its own; other scripts' pictures come without."""
    processed.infotexts += [""] * (len(processed.images) - len(processed.infotexts))


def append(processed, pictures: Mapping[str, Image.Image]) -> None:
    """Behind all that the host and other scripts have made, each with its title as infotext."""
    if pictures:
        aligned(processed)
    for title, picture in pictures.items():
        processed.images.append(picture)
        processed.infotexts.append(f"InDetail: {title}")
