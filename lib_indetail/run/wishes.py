"""What a pass asks for: one wish for every image prompt that has a part in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from lib_indetail.ask.image_prompt import ImagePrompt
from lib_indetail.ask.interpolating import PICTURES
from lib_indetail.ask.request import Request
from lib_indetail.ask.settings import Settings
from lib_indetail.pictures.placing import Crop, Placed, cell_means, part_of, placed
from lib_indetail.run.host import Model, Pass
from lib_indetail.run.wish import Wish

DIFFERENT = "the prompts of the batch differ; the image prompt was inverted with the first"


@dataclass(frozen=True, kw_only=True)
class Pictured(Wish):
    """With the picture as a person gave it, and the part of it that is `shown`; `made` is the part of the whole image
    that the pass makes. None is all of it."""

    prompt: ImagePrompt
    shown: Crop | None = None
    made: Crop | None = None

    def fitted(self, picture: Image.Image) -> Placed:
        """The picture, or a mask of it, at the size of the pass."""
        return placed(part_of(picture, self.shown), self.frame.width, self.frame.height, self.settings.resize)

    @property
    def put(self) -> torch.Tensor | None:
        if self.prompt.put is None:
            return None
        size = self.frame.width, self.frame.height
        return cell_means(part_of(self.prompt.put, self.made).resize(size, Image.Resampling.BILINEAR))


def wishes(request: Request, this: Pass, model: Model, say: Callable[[str], None]) -> list[Pictured]:
    """None for image prompts that no image of this batch reads."""
    sigmas, own = this.levels(model)
    shown = this.inpainted if request.settings.inpaint_reference == "same part" else None
    made: list[Pictured] = []
    for prompt, images in _spread(request, this):
        texts = _texts_of(prompt, request, this)
        if len(set(texts)) > 1 and not made:
            say(DIFFERENT)
        made.append(Pictured(settings=prompt.settings, text=texts[0], frame=this.frame, number=prompt.number,
                             sigmas=tuple(sigmas), own=tuple(own), from_noise=this.from_noise, images=images,
                             prompt=prompt, shown=shown, made=this.inpainted))
    return made


def _texts_of(prompt: ImagePrompt, request: Request, this: Pass) -> Sequence[str]:
    """Of the images that read it; of a picture at the other end of strips that end's."""
    settings = request.settings
    if settings.prompt_b and prompt is request.prompts[-1] and settings.interpolate in PICTURES:
        return [this.styled(settings.prompt_b)]
    return this.negatives if prompt.settings.side == "negative" else this.prompts


def is_wanted_in(this: Pass, settings: Settings) -> bool:
    """Of two passes the person may have chosen one."""
    return settings.passes == "both" or not this.title or this.title.startswith(settings.passes)


def images_of(place: int, count: int, spread: str, batch: range) -> frozenset[int] | None:
    """For which images of a batch the image prompt at this place (from 0) of `count` is: numbers within the batch,
    whose own among all images are `batch`; None for all of them."""
    if spread == "all on every image":
        return None
    return frozenset(number for number, image in enumerate(batch)
                     if place == (image % count if spread == "cycled" else image))


def _spread(request: Request, this: Pass) -> Iterator[tuple[ImagePrompt, frozenset[int] | None]]:
    """The image prompts with their settings in this pass, and the images of the batch that each is for. One that is not
    wanted is for all of them."""
    if request.settings.interpolate in PICTURES:
        yield from ((prompt, None) for prompt in request.prompts)
        return
    positive = [each for each in request.prompts if each.settings.side == "positive"]
    for prompt in request.prompts:
        images = None
        if prompt in positive:
            images = images_of(positive.index(prompt), len(positive), request.settings.spread, this.batch)
        if images is None or images:
            second = this.title.startswith("second")
            yield (dataclasses.replace(prompt, settings=prompt.settings.in_second_pass()) if second else prompt), images
