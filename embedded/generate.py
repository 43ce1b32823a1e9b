"""Generation with the embedded model, with or without an image prompt: the product's path without a WebUI."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from embedded.checkpoint import LatentDiffusion
from embedded.control import ControlNet
from embedded.host import EmbeddedModel
from embedded.samplers import sample
from embedded.unet_calls import GuidedModel, Structure
from lib_indetail.ask.settings import TASKS, Settings
from lib_indetail.attention.method import Method
from lib_indetail.attention.received import Watcher
from lib_indetail.bank.levels import BETWEEN
from lib_indetail.bank.memory import BankMemory
from lib_indetail.kept.cache import Cache
from lib_indetail.methods.detail import Detail
from lib_indetail.run.generation import Generation
from lib_indetail.run.host import Frame
from lib_indetail.run.no_host import Quiet
from lib_indetail.run.preparation import prepare as prepared
from lib_indetail.run.prepared import Prepared
from lib_indetail.run.wish import Wish

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


@torch.no_grad()
def prepare(model: LatentDiffusion, latent: torch.Tensor, prompt: str, settings: Settings,
            progress: Callable[[int, int], None] | None = None,
            interrupted: Callable[[], bool] | None = None, banks: Cache | None = None,
            sigmas: Sequence[float] = (), between: int = BETWEEN) -> Prepared | None:
    """Invert the clean latent [1, 4, h, w] of a picture for generations with `prompt`; None at strength 0.

    `banks` is where recorded keys and values are kept; `sigmas` are the nodes of the one-pass kinds,
    or of few levels those and so many `between` two (see `Wish`)."""
    if not settings.acts:
        return None
    frame = Frame(latent.shape[-1] * 8, latent.shape[-2] * 8, 0)
    wish = Wish(settings=settings, text=prompt, frame=frame, sigmas=tuple(sigmas), between=between)
    memory = None if banks is None else BankMemory(banks, object())
    return prepared(Quiet(progress, interrupted), EmbeddedModel(model), wish, latent, memory=memory)


@torch.no_grad()
def generate(model: LatentDiffusion, request: Request, given: Prepared | Sequence[Prepared] | None = None,
             control: ControlNet | None = None, method: Method | None = None,
             watch: Watcher | None = None, detail: Callable[[Sequence[Prepared]], Detail] = Detail) -> torch.Tensor:
    """Clean latents of the pictures, [n, 4, h, w]. `given` are image prompts that `prepare` gave. Another `method` may
    stand in the place of the paper's, and another `detail` in the place of ours; `watch` writes down what image prompts
    receive."""
    prompts = [each for each in ([given] if isinstance(given, Prepared) else given or ()) if each.settings.acts]
    cond, uncond = (model.text([text]).expand(len(request.seeds), -1, -1)
                    for text in (request.prompt, request.negative))
    structure = Structure(control, request.hint, uncond_from=UNCOND_FROM) if control is not None else None
    if not prompts:
        return sample(GuidedModel(model, cond, uncond, request.guidance_scale, structure=structure), request)
    with Generation(EmbeddedModel(model), prompts, prompts[0].settings, from_noise=request.initial is None,
                    method=method, watch=watch, detail=detail) as generation:
        guided = GuidedModel(model, cond, uncond, request.guidance_scale, generation, structure)
        return sample(guided, request, generation.started if request.initial is None else None)
