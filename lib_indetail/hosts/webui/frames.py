"""The frames of strips among the images of a batch, as the host saves and shows its own."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from modules import devices, processing, sd_models, shared
from PIL import Image

from lib_indetail.ask.infotext import FRAME_AT, of_frames
from lib_indetail.ask.interpolating import NO_ANIMATION, NO_SHEET, STRIP_AND_STEPS
from lib_indetail.ask.settings import Settings
from lib_indetail.hosts.webui.job import Job
from lib_indetail.hosts.webui.progress import jobs_again
from lib_indetail.hosts.webui.runtime import runtime
from lib_indetail.pictures.sheet import animated, sheet, side_by_side
from lib_indetail.run.strips import Frames

_PLACE = re.compile(rf"{FRAME_AT}: ([^,\s]+)")
_OF_IMAGES = "prompts", "negative_prompts", "seeds", "subseeds"


def show(p, images: Sequence[torch.Tensor], frames: Frames) -> list[torch.Tensor]:
    """Of a batch's decoded images [3, H, W] in 0..1, the first frames of their strips, all frames strip by strip. The
    lists that `p` keeps of its images follow. Whoever stops it keeps the frames that are done."""
    columns, places, is_hires = [list(images)], list(zip(*frames.ts, strict=True)), getattr(p, "enable_hr", False)
    with jobs_again() if is_hires else contextlib.nullcontext():
        for number, at in enumerate(places[1:], 1):
            if is_hires and (shared.state.interrupted or shared.state.skipped):
                break
            runtime.at_places(Job(p), number, at)
            columns.append(_second_pass(p, frames, number) if is_hires else _decoded(p, frames.latents[:, number]))
    if len(columns) < len(places):
        Job(p).add(of_frames([ts[:len(columns)] for ts in frames.ts], frames.rows, frames.seeds))
    for name in _OF_IMAGES:
        setattr(p, name, [each for each in getattr(p, name) for _ in columns])
    return [column[strip] for strip in range(len(images)) for column in columns]


def _decoded(p, latents: torch.Tensor) -> list[torch.Tensor]:
    """As the host decodes its own."""
    return _shown(processing.decode_latent_batch(p.sd_model, latents, target_device=devices.cpu, check_for_nans=True))


def _second_pass(p, frames: Frames, number: int) -> list[torch.Tensor]:
    """Of a hires fix, which the host has made of the first frames alone."""
    pixels = None if frames.pixels is None else frames.pixels[:, number]
    if p.refiner_checkpoint_info is not None:
        _without_refiner(p)
    made = p.sample_hr_pass(frames.latents[:, number], pixels, p.seeds, p.subseeds, p.subseed_strength, p.prompts)
    return _shown(made) if getattr(made, "already_decoded", True) else _decoded(p, made)


def _without_refiner(p) -> None:
    """A second pass that comes begins with the model and the texts with which the host's own began."""
    p.hr_c = p.hr_uc = None
    with sd_models.SkipWritingToConfig():
        sd_models.reload_model_weights(info=p.hr_checkpoint_info)


def _shown(decoded) -> list[torch.Tensor]:
    return [((each.float() + 1) / 2).clamp(0, 1) for each in decoded]


def all_strips(job: Job, processed) -> dict[str, Image.Image]:
    """Of a generation that has ended: see `of_strips`. One that was stopped may lack frames, and has none."""
    stopped = shared.state.interrupted or shared.state.skipped
    if stopped or job.state is None or not job.state.request.acts or not job.state.request.settings.interpolates:
        return {}
    return of_strips(processed, job.state.request.settings)


def of_strips(processed, settings: Settings) -> dict[str, Image.Image]:
    """Behind all frames that there are: of each strip a picture, by title, and where it is wanted an animation. A grid,
    which has the first frame's infotext, stands in front."""
    first, count = processed.index_of_first_image, settings.frames_shown
    frames = [(picture, float(place[1])) for picture, text in zip(
        processed.images[first:], processed.infotexts[first:], strict=False) if (place := _PLACE.search(text))]
    made = {}
    for number in range(len(frames) // count if count > 1 else 0):
        strip, ts = zip(*frames[number * count:(number + 1) * count], strict=True)
        if settings.sheet != NO_SHEET:
            made[f"Strip {number + 1}"] = sheet(strip, ts) if settings.sheet == STRIP_AND_STEPS else side_by_side(strip)
        if settings.animation != NO_ANIMATION:
            made |= _animation(strip, settings.animation, number + 1)
    return made


def _animation(strip: Sequence[Image.Image], kind: str, number: int) -> dict[str, Image.Image]:
    """A file beside the first frame's, which the gallery shows; none where frames are not saved."""
    saved = getattr(strip[0], "already_saved_as", None)
    if saved is None:
        return {}
    file = Path(saved).with_suffix(f".{kind.lower()}")
    file.write_bytes(animated(strip, kind))
    shown = strip[0].copy()
    shown.already_saved_as = str(file)
    return {f"Animation {number}": shown}
