"""The accordion's lines of text: what will happen, and what has happened."""

from __future__ import annotations

import html
from collections.abc import Callable, Collection, Mapping
from typing import Any

from PIL import Image

from lib_indetail.ask import words
from lib_indetail.ask.forms import DEFAULT_TASK
from lib_indetail.ask.interpolating import EVEN, IMAGE_PROMPTS, IMAGE_STRENGTH, MORPH, PROMPTS
from lib_indetail.ask.settings import Settings
from lib_indetail.errors import BadPicture, BadSetting
from lib_indetail.pictures.opening import decoded
from lib_indetail.pictures.placing import crop_loss
from lib_indetail.run.cached_preparation import crop_warning
from lib_indetail.run.needed import Need
from lib_indetail.run.recent_sentences import Told

ADVICE = {"structure-guided": " A ControlNet unit gives the structure; the authors use CFG scale 5."}
Sizes = dict[int, tuple[int, int] | str]


def size_of(picture: Image.Image | str | None) -> tuple[int, int] | str | None:
    """For `plan_text`: the picture's size; or a sentence, where it is a text that is no picture."""
    if not isinstance(picture, str):
        return picture and picture.size
    try:
        return decoded(picture).colours.size
    except BadPicture as error:
        return str(error)


def sizes_with(number: int, picture: Image.Image | str | None, sizes: Sizes) -> Sizes:
    """`sizes` with what `size_of` gives for the picture of that number; without it, if there is none."""
    others = {each: size for each, size in sizes.items() if each != number}
    size = size_of(picture)
    return others if size is None else {**others, number: size}


def plan_text(enabled: bool, sizes: Sizes | None = None, strength: float = 1, resize: str = "crop",
              width: float = 0, height: float = 0, task: str = DEFAULT_TASK,
              in_the_way: Callable[[], str | None] = lambda: None,
              room: Callable[[Collection[int]], str] = lambda numbers: "", strip: str = "") -> str:
    """What the next generation will do, or why it will do nothing. `sizes` are what `size_of` gives for each picture
    that there is, `strength` is the first one's; `in_the_way` tells what keeps InDetail from acting at all, `room` what
    the pictures of these numbers will need (see `room_text` and `detail_text`), `strip` what is made between two ends
    (see `strip_text`)."""
    is_refused = isinstance((sizes or {}).get(1), str)
    if not enabled:
        return line(words.OFF, is_refused=is_refused)
    acting = {number: size for number, size in sorted((sizes or {}).items()) if strength or number > 1}
    if not strength and not acting and not strip:
        return line(words.STRENGTH_ZERO)
    conflict = in_the_way()
    if conflict:
        return line(conflict, "error")
    if not acting:
        return line(strip, "ready") if strip else line(words.NO_PICTURE, "warning")
    for number, size in acting.items():
        if isinstance(size, str):
            return line(size if number == 1 else f"Image prompt {number}: {size}", "error", is_refused)
    more = ADVICE.get(task, "") + room(acting) + (strip and f" {strip}")
    return _going_to_invert(acting, int(width), int(height), resize, more)


def room_text(need: Need, room: int) -> str:
    """What keys and values will take, and where they will be: `room` is what main memory has for them, in bytes."""
    if not need.bytes:
        return ""
    takes = f"{_size(need.bytes)} of keys and values at {need.levels} noise level{'s' * (need.levels != 1)}"
    if need.bytes <= room:
        return f" It needs {takes}, kept in main memory."
    if not room:
        return f" It needs {takes}; none are kept, each is made while sampling."
    return f" It needs {takes}; main memory keeps {_size(room)} of them, the others are made while sampling."


_ENDS = {"": "from the prompt to itself: write a prompt B",
         PROMPTS: "from the prompt to prompt B",
         IMAGE_PROMPTS: "from the first image prompt to the second",
         MORPH: "from the first picture itself to the second",
         IMAGE_STRENGTH: "from the text alone to the whole image prompt"}


def strip_text(settings: Mapping[str, Any]) -> str:
    """What will be made between two ends, or why it cannot be."""
    try:
        wish = Settings.of(settings)
    except BadSetting as error:
        return str(error)
    if not wish.interpolates:
        return ""
    ends = _ENDS["" if wish.interpolate == PROMPTS and not wish.prompt_b else wish.interpolate]
    if wish.frame_at:
        return f"One image at {wish.frame_at} of the way {ends}, with both ends beside it."
    chosen = ""
    if wish.is_adaptive:
        chosen = f", the smoothest of {wish.to_try} that are tried"
    elif wish.places != EVEN:
        chosen = f", at {', '.join(f'{t:.3g}' for t in wish.frames_at)}"
    return f"A strip of {wish.frames_shown} images {ends}{chosen}, for each image of the batch."


def detail_text(patches: int) -> str:
    """What the setting Detail will do, for so many patches of the image prompt (see `needed.patches`)."""
    return f" Detail compares {patches:,} patches with {patches:,} of it at most steps." if patches else ""


def _going_to_invert(sizes: Sizes, width: int, height: int, resize: str, more: str) -> str:
    whose = {number: "it" if len(sizes) == 1 else f"image prompt {number}" for number in sizes}
    cuts = {number: crop_warning(crop_loss(size, width, height), whose[number]) if resize == "crop" else ""
            for number, size in sizes.items()}
    if len(sizes) == 1:
        (number, size), = sizes.items()
        name = "The image prompt" if number == 1 else f"Image prompt {number}"
        said = f"{name} ({size[0]}x{size[1]}) will be inverted at {width}x{height}{cuts[number]}"
    else:
        said = f"{len(sizes)} image prompts will be inverted at {width}x{height}" + "".join(cuts.values())
    return line(f"{said}.{more}", "warning" if any(cuts.values()) else "ready")


def last_run(log: str, plan: str, told: Told) -> str:
    """What the last generation did: of what was told lately, that which the host shows in `log`. Sessions do not mix,
    since it is theirs. What `plan`, the line above, says already is not said again."""
    said = [each for each in told.shown_in(log or "") if each.text not in html.unescape(plan or "")]
    kind = "error" if any(each.refuses for each in said) else "done"
    return line("Last run: " + " ".join(each.text for each in said), kind) if said else ""


def line(text: str, kind: str = "off", is_refused: bool = False) -> str:
    """`is_refused` tells the page's script that the first picture is not shown as if it were taken."""
    return f"<p class='indetail-{kind}'{' data-refused' if is_refused else ''}>{html.escape(text)}</p>"


def kept_text(counts: Mapping[str, int]) -> str:
    """What is kept of prepared image prompts, as `Owner.counts` has it."""
    if not any(count for name, count in counts.items() if not name.startswith("kept")):
        return line(words.NOTHING_KEPT)
    return line(f"Kept in memory: inversions: {counts['inversions']} ({_mb(counts['bytes'])}); noise levels with keys "
                f"and values: {counts['levels']} ({_mb(counts['bank_bytes'])}). On disk: inversions: "
                f"{counts['inversions_on_disk']} ({_mb(counts['disk_bytes'])}).")


def _mb(size: int) -> str:
    return f"{size / 2**20:.1f} MB"


def _size(size: int) -> str:
    """In three digits."""
    large = size >= 1000 * 2**20
    amount = size / 2 ** (30 if large else 20)
    return f"{amount:.{max(0, 3 - len(str(int(amount))))}f} {'GB' if large else 'MB'}"
