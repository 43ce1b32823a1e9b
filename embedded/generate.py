"""Generation with the embedded model, with or without an image prompt: the product's path without a WebUI."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from embedded.checkpoint import LatentDiffusion
from embedded.control import ControlNet
from embedded.samplers import sample
from embedded.unet_calls import GuidedModel, Structure
from lib_indetail.bank import BankMemory
from lib_indetail.cache import Cache
from lib_indetail.chain import Chain
from lib_indetail.colour import Colour
from lib_indetail.hooks import InDetailHooks
from lib_indetail.inversion import Inverter
from lib_indetail.passes import as_model, image_passes, plain_pass
from lib_indetail.plans import Planner
from lib_indetail.preparation import prepare_chain
from lib_indetail.received import Watcher
from lib_indetail.settings import TASKS, Settings
from lib_indetail.several import Acting, tint_all

UNCOND_FROM = TASKS["structure-guided"]["control_uncond_from"]


@dataclass(frozen=True)
class Request:
    """What to generate. `seeds` gives one picture each; `hint` [1, 3, H, W] in 0..1 is for a ControlNet.

    `initial` [1 or n, 4, h, w] with `denoising` below 1 makes it image-to-image.
    """

    prompt: str
    seeds: Sequence[int] = (0,)
    negative: str = ""
    guidance_scale: float = 5.0
    steps: int = 20
    sampler: str = "ddim"
    scheduler: str = "plain"
    size: tuple[int, int] = (16, 16)
    hint: torch.Tensor | None = None
    initial: torch.Tensor | None = None
    denoising: float = 1.0
    progress: Callable[[int, int], None] | None = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class ImagePrompt:
    """An inverted picture, ready for any number of generations with the same text and model. `memory` keeps what is
    recorded of it; `number`, `take`, `put` and `images` are those of `several.Acting`."""

    chain: Chain
    passes: dict
    settings: Settings
    memory: BankMemory | None = None
    number: int = 1
    take: torch.Tensor | None = None
    put: torch.Tensor | None = None
    images: frozenset[int] | None = None

    @property
    def acting(self) -> Acting:
        return Acting(self.number, self.settings, self.chain, self.chain.latents[0], self.take, self.put, self.images)


@torch.no_grad()
def prepare(model: LatentDiffusion, latent: torch.Tensor, prompt: str, settings: Settings,
            progress: Callable[[int, int], None] | None = None,
            interrupted: Callable[[], bool] | None = None, banks: Cache | None = None,
            sigmas: Sequence[float] = ()) -> ImagePrompt | None:
    """Invert the clean latent [1, 4, h, w] of a picture for generations with `prompt`; None at strength 0.

    `banks` is where recorded keys and values are kept; `sigmas` are the nodes of the one-pass kinds."""
    if not settings.acts:
        return None
    with_text, without_text = (plain_pass(model.unet, model.text([text])) for text in (settings.text_for(prompt), ""))
    inverter = Inverter(model.schedule, model.prediction, progress, interrupted)
    chain = prepare_chain(settings, inverter, as_model(with_text), latent, sigmas)
    memory = None if banks is None else BankMemory(banks, object())
    return ImagePrompt(chain, dict(image_passes(settings, with_text, without_text)), settings, memory)


@torch.no_grad()
def generate(model: LatentDiffusion, request: Request, image: ImagePrompt | Sequence[ImagePrompt] | None = None,
             control: ControlNet | None = None, planner: Callable | None = None,
             watch: Watcher | None = None) -> torch.Tensor:
    """Clean latents of the pictures, [n, 4, h, w]. A `planner` (see `InDetailHooks`) may stand in the place of that of
    the images' settings; `watch` writes down what the images receive."""
    images = [each for each in ([image] if isinstance(image, ImagePrompt) else image or ()) if each.settings.acts]
    cond, uncond = (model.text([text]).expand(len(request.seeds), -1, -1)
                    for text in (request.prompt, request.negative))
    structure = Structure(control, request.hint, uncond_from=UNCOND_FROM) if control is not None else None
    with contextlib.ExitStack() as stack:
        hooks = colour = None
        if images:
            read = {bank: branch for each in images
                    for bank, branch in each.acting.branches(each.passes, each.memory, model.schedule).items()}
            planner = planner or Planner([each.acting.reader(model.unet) for each in images])
            hooks = stack.enter_context(InDetailHooks(model.unet, read, planner, watch=watch))
            colour = Colour([each.acting for each in images], images[0].settings.colour_until)
        guided = GuidedModel(model, cond, uncond, request.guidance_scale, hooks, structure, colour)
        return sample(guided, request, _tinted(request, images))


def _tinted(request: Request, images: Sequence[ImagePrompt]) -> Callable[[torch.Tensor, float], torch.Tensor]:
    """AdaIN of unit noise at the pass's first sigma; only where the pass starts from pure noise."""
    def tint(noise: torch.Tensor, sigma: float) -> torch.Tensor:
        if request.initial is not None:
            return noise
        return tint_all(noise, [each.acting for each in images], lambda each: each.chain.at(sigma),
                        lambda settings: settings.strength_at(settings.start) * settings.adain)

    return tint
