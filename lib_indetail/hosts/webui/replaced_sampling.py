"""Scripts that sample in the host's place: refused before they do where that is seen, told of afterwards where not."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modules import paths_internal, shared

from lib_indetail.errors import CannotAct
from lib_indetail.hosts.webui.extension_folders import extension_of
from lib_indetail.hosts.webui.progress import tell
from lib_indetail.hosts.webui.refusal import refusal

_BEHIND_CONTROLNET = "sample_before_CN_hack"
"""ControlNet puts a function of its own on `p`, which passes on to what it keeps under this name."""
_INSTEAD_OF = "_indetail_instead_of"


def refuse_sampling_elsewhere(p) -> None:
    """Raises CannotAct where a script has put a function of its own in the place of the generation's `sample`: it may
    sample without asking anybody. One that keeps the host's, to pass on to it, may stay."""
    sample = _sample_of(p)
    if not _passes_on(sample, type(p).sample):
        raise CannotAct(f"{_named(sample)} samples in the host's place")


def refuse_to_sample(p, error: Exception) -> None:
    """Raise it where the generation would be sampled; whatever comes of it, `p` has what it had before then."""
    before = vars(p).get("sample")

    def indetail_refuses(*args, **kwargs):
        vars(p).pop("sample", None)
        if before is not None:
            p.sample = before
        raise refused(p, error) from None

    setattr(indetail_refuses, _INSTEAD_OF, p.sample)
    p.sample = indetail_refuses


def refused(p, error: object) -> Exception:
    """A refusal of this generation. The X/Y/Z plot swallows what a cell raises, and shows the comments that its cells
    share."""
    p.comment(f"InDetail: {error}")
    tell(None)
    return refusal(error, p)


def made_without_us(p) -> str:
    """For a batch that was sampled although nobody came by."""
    if shared.state.interrupted or shared.state.skipped:
        return "it was stopped before the image prompt could act; the infotext does not name InDetail"
    sample = _sample_of(p)
    who = "another script" if _passes_on(sample, type(p).sample) else _named(sample)
    return f"made without the image prompt: {who} samples in the host's place; the infotext does not name InDetail"


def _sample_of(p) -> Callable:
    sample = getattr(p, _BEHIND_CONTROLNET, None) or p.sample
    return getattr(sample, _INSTEAD_OF, sample)


def _passes_on(sample: Any, own: Callable, depth: int = 3) -> bool:
    """Whether a function is the host's own, or was put around it: it has it among what it was made with."""
    if getattr(sample, "__func__", sample) is own:
        return True
    if depth == 0 or not callable(sample):
        return False
    kept = [getattr(sample, "func", None), *getattr(sample, "args", ()), getattr(sample, "__wrapped__", None)]
    for cell in getattr(getattr(sample, "__func__", sample), "__closure__", None) or ():
        with contextlib.suppress(ValueError):  # a cell that is not filled yet
            kept.append(cell.cell_contents)
    return any(_passes_on(each, own, depth - 1) for each in kept if each is not None)


def _named(sample: Callable) -> str:
    """Whose function it is, as far as its file tells."""
    extension = extension_of(sample)
    if extension:
        return f"another extension ({extension})"
    code = getattr(inspect.unwrap(getattr(sample, "func", sample)), "__code__", None)
    file = Path(code.co_filename) if code else None
    if file is not None and file.is_relative_to(Path(paths_internal.script_path)):
        return f"another script ({file.stem})"
    return "another script"
