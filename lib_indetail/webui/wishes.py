"""What a pass of `p` asks the preparer for: one wish for every image prompt that has a part in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import torch
from modules import processing

from lib_indetail.image_prompt import ImagePrompt
from lib_indetail.placing import Part
from lib_indetail.request import Request
from lib_indetail.several import images_of
from lib_indetail.webui.preparing import Wish


def wishes(p, x: torch.Tensor, request: Request, say: Callable[[str], None], sigmas: tuple[float, ...],
           own: tuple[float, ...], from_noise: bool) -> list[Wish]:
    """For the latents `x` [n, C, h, w] of the pass. None for pictures that no image of this batch reads."""
    height, width = (side * processing.opt_f for side in x.shape[-2:])
    prompts, negatives, steps = _texts_and_steps(p)
    inpainted = _inpainted_part(p)
    part = inpainted if request.settings.inpaint_reference == "same part" else None
    made = []
    for image, images in _spread(p, len(x), request):
        texts = negatives if image.settings.side == "negative" else prompts
        if len(set(texts)) > 1 and not made:
            say("the prompts of the batch differ; the image prompt was inverted with the first")
        made.append(Wish(image, texts[0], width, height, *steps, sigmas, own, from_noise, part, inpainted, images))
    return made


def _spread(p, batch_size: int, request: Request) -> Iterator[tuple[ImagePrompt, frozenset[int] | None]]:
    """The image prompts with their settings in this pass, and the images of the batch that each is for. One that is not
    wanted is for all of them."""
    second = getattr(p, "is_hr_pass", False)
    first_image = getattr(p, "iteration", 0) * p.batch_size
    batch = range(first_image, first_image + batch_size)
    positive = [each for each in request.prompts if each.settings.side == "positive"]
    for image in request.prompts:
        images = None
        if image in positive:
            images = images_of(positive.index(image), len(positive), request.settings.spread, batch)
        if images is None or images:
            yield dataclasses.replace(image, settings=image.settings.in_second_pass()) if second else image, images


def _inpainted_part(p) -> Part | None:
    """Which part of the whole image is inpainted at full size."""
    if not getattr(p, "paste_to", None) or not getattr(p, "inpaint_full_res", False):
        return None
    left, top, width, height = p.paste_to
    whole = p.mask_for_overlay.size
    return left / whole[0], top / whole[1], (left + width) / whole[0], (top + height) / whole[1]


def _texts_and_steps(p) -> tuple[list[str], list[str], tuple[int, int | None]]:
    """The pass's prompts and negative prompts, styles and wildcards applied, and its numbers of steps as prompt editing
    counts them."""
    first = getattr(p, "firstpass_steps", None) or p.steps
    if getattr(p, "is_hr_pass", False):
        return p.hr_prompts, p.hr_negative_prompts, (first, p.hr_second_pass_steps or p.steps)
    return p.prompts, p.negative_prompts, (first, None)
