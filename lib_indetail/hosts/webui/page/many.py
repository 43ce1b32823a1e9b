"""Many pictures at once, as a script of the host's own list: one after the other, or all together."""

from __future__ import annotations

import base64
import copy
import reprlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from modules import processing, shared
from PIL import Image

from lib_indetail.ask import words
from lib_indetail.ask.page_order import MOST_PICTURES
from lib_indetail.errors import BadPicture, BadSetting, InDetailError
from lib_indetail.hosts.webui.indetail import change, settings, switched_on
from lib_indetail.hosts.webui.refusal import refusal
from lib_indetail.hosts.webui.results import aligned
from lib_indetail.hosts.webui.saying import say
from lib_indetail.pictures.folder import PictureFolder
from lib_indetail.pictures.opening import decoded

MODES = words.ONE, words.TOGETHER
_ANY_PICTURE = Image.new("RGB", (1, 1))

Source = tuple[str, Callable[[], Image.Image]]
"""A picture's name, and how to open it: raises BadPicture."""


class PictureFiles(gr.File):
    """Uploaded files as texts: name and data. So the arguments of a generation can be sent as JSON."""

    is_template = True

    def preprocess(self, x):
        return [{"name": file.orig_name.replace("\\", "/").rpartition("/")[2],
                 "data": base64.b64encode(Path(file.name).read_bytes()).decode()}
                for file in super().preprocess(x) or []]


def controls(elem_id: Callable[[str], str]) -> list[gr.components.Component]:
    """Mode, files, subfolder."""
    mode = gr.Radio(list(MODES), value=words.ONE, label=words.PROMPTS, elem_id=elem_id("mode"))
    files = PictureFiles(label=words.UPLOAD, file_count="multiple", elem_id=elem_id("files"))
    folder = gr.Textbox(label=words.SUBFOLDER,
                        elem_id=elem_id("subfolder"), max_lines=1)
    gr.HTML(f"<p class='indetail-off'>{words.FOLDER_HELP}</p>", elem_classes="indetail")
    return [mode, files, folder]


def run(p, mode: str, files: Sequence[Any] | None, subfolder: str, folder: PictureFolder) -> processing.Processed:
    """Raises a Refusal with one sentence before anything is sampled, if there is nothing that could be."""
    if not switched_on(p):
        raise refusal("InDetail is off: switch it on to use many image prompts.", p)
    try:
        if mode not in MODES:
            raise BadSetting(f"must be one of {', '.join(MODES)}, not {reprlib.repr(mode)}.", words.PROMPTS, mode)
        sources = _uploaded(files) if files else _in_folder(folder, subfolder)
    except (BadSetting, BadPicture) as error:
        raise refusal(error, p) from None
    if settings(copy.copy(p), image=_ANY_PICTURE, reference_mask=None) is None:
        raise refusal("Strength is 0: no image prompt would do anything.", p)
    processing.fix_seed(p)
    return _one_by_one(p, sources) if mode == words.ONE else _together(p, sources)


def _uploaded(files: Sequence[Any]) -> list[Source]:
    """From the page; by API each is an object with name and data, or the data alone, as base64."""
    if isinstance(files, str) or not all(isinstance(file, str) or (isinstance(file, dict) and isinstance(
            file.get("data"), str)) for file in files):
        raise BadSetting("Files must be a list of image prompts as base64, or of objects with name and data.")
    named = [{"name": f"image prompt {number}", "data": file} if isinstance(file, str) else file
             for number, file in enumerate(files, 1)]
    return [(str(file.get("name", f"image prompt {number}")), lambda file=file: decoded(file["data"]).rgba)
            for number, file in enumerate(named, 1)]


def _in_folder(folder: PictureFolder, subfolder: Any) -> list[Source]:
    if not isinstance(subfolder, str) or not subfolder.strip():
        raise BadSetting("Upload image prompts, or name a subfolder of the image prompt folder (. is the folder "
                         "itself).")
    names = folder.names_in(subfolder)
    if not names:
        raise BadPicture(f"The image prompt folder has no pictures in {reprlib.repr(subfolder.strip())}.")
    return [(name, lambda name=name: folder.get(name)) for name in names]


def _one_by_one(p, sources: Sequence[Source]) -> processing.Processed:
    shared.state.job_count = len(sources) * p.n_iter
    done: list[processing.Processed] = []
    skipped: list[tuple[str, str]] = []
    for number, (name, opened) in enumerate(sources, 1):
        if shared.state.interrupted or shared.state.stopping_generation:
            break
        shared.state.textinfo = f"image prompt {number} of {len(sources)}: {name}"
        try:
            done.append(_generated(p, image=opened(), reference_mask=None))
        except (BadPicture, InDetailError) as error:
            skipped.append((name, str(error)))
            p.comments.pop(f"InDetail: {error}", None)  # it stands in the summary
            shared.state.job_count -= p.n_iter
    shared.state.textinfo = None
    return _joined(p, done, f"{len(done)} of {len(sources)} image prompts were used", skipped)


def _together(p, sources: Sequence[Source]) -> processing.Processed:
    pictures, skipped = [], []
    for name, opened in sources:
        try:
            pictures.append(opened())
        except BadPicture as error:
            skipped.append((name, str(error)))
    if len(pictures) > MOST_PICTURES:
        raise refusal(f"At most {MOST_PICTURES} image prompts can act together, not {len(pictures)}.", p)
    done = []
    if pictures:
        places = [*pictures, *[None] * (MOST_PICTURES - len(pictures))]
        done.append(_generated(p, image=[{"image": picture, "reference_mask": None} for picture in places]))
    return _joined(p, done, f"{len(pictures)} of {len(sources)} image prompts were used together", skipped)


def _generated(p, **changes: Any) -> processing.Processed:
    each = copy.copy(p)
    each.extra_generation_params, each.extra_result_images = dict(p.extra_generation_params), []
    change(each, **changes)
    return processing.process_images(each)


def _joined(p, done: Sequence[processing.Processed], said: str,
            skipped: Sequence[tuple[str, str]]) -> processing.Processed:
    """All results as one; what was used and what was skipped stands under them, and in the API's answer."""
    summary = f"{said}." + "".join(f" Skipped: {name} ({why.rstrip('.')})." for name, why in skipped)
    if not done:
        raise refusal(summary, p)
    for each in done:
        aligned(each)
    say(p, summary)
    joined = processing.Processed(
        p, [picture for each in done for picture in each.images], done[0].seed, done[0].info, subseed=done[0].subseed,
        **{name: [value for each in done for value in getattr(each, name)]
           for name in ("all_prompts", "all_negative_prompts", "all_seeds", "all_subseeds", "infotexts")})
    apart = [picture for each in done for picture in getattr(each, "extra_images", ())]
    if apart:  # where others' pictures stand behind all results
        joined.extra_images = apart
    joined.extra_generation_params = {**done[0].extra_generation_params, "InDetail folder": summary}
    return joined
