"""The accordion's lines of text: what will happen, and what has happened."""

from __future__ import annotations

import html
import re

from PIL import Image

from lib_indetail.errors import BadPicture
from lib_indetail.picture import crop_loss, decoded_picture
from lib_indetail.request import DEFAULT_TASK
from lib_indetail.webui.conflicts import standing_conflict
from lib_indetail.webui.preparing import crop_warning

OFF = "Off: pictures are made as without InDetail."
STRENGTH_ZERO = "Strength is 0: pictures are made as without InDetail."
NO_PICTURE = "Drop in a picture: new pictures will take over its fine details."
ADVICE = {"structure-guided": " A ControlNet unit gives the structure; the authors use CFG scale 5."}
_RESULT = re.compile(r"(?:InDetail: |InDetailError: )([^<\n]+)")


def size_of(picture: Image.Image | str | None) -> tuple[int, int] | str | None:
    """For `plan_text`: the picture's size; or a sentence, where it is a text that is no picture."""
    if not isinstance(picture, str):
        return picture and picture.size
    try:
        return decoded_picture(picture).size
    except BadPicture as error:
        return str(error)


def plan_text(enabled: bool, size: tuple[int, int] | str | None = None, strength: float = 1, resize: str = "crop",
              width: float = 0, height: float = 0, task: str = DEFAULT_TASK) -> str:
    """What the next generation will do, or why it will do nothing. `size` is what `size_of` gives."""
    if not enabled:
        return line(OFF)
    if not strength:
        return line(STRENGTH_ZERO)
    in_the_way = standing_conflict()
    if in_the_way:
        return line(in_the_way, "error")
    if size is None:
        return line(NO_PICTURE, "warning")
    if isinstance(size, str):
        return line(size, "error")
    warning = crop_warning(crop_loss(size, int(width), int(height))) if resize == "crop" else ""
    return line(f"The picture ({size[0]}x{size[1]}) will be inverted at {int(width)}x{int(height)}"
                f"{warning}.{ADVICE.get(task, '')}", "warning" if warning else "ready")


def last_run(log: str) -> str:
    """What the last generation did, from what the host shows under it; sessions do not mix, since it is theirs."""
    said = _RESULT.findall(log or "")
    kind = "error" if "InDetailError" in (log or "") else "done"
    return line("Last run: " + " ".join(html.unescape(text) for text in said), kind) if said else ""


def line(text: str, kind: str = "off") -> str:
    return f"<p class='indetail-{kind}'>{html.escape(text)}</p>"
