"""What a host answers. The core owns the run, and asks these questions alone.

A *model* is a checkpoint that is loaded, a *pass* one sampling call of a generation, an *evaluation* one moment of it
at which the guided model predicts. Sizes are pixels where it says width and height; a latent *cell* is one place of a
latent [C, h, w], and a *token* one place of a layer's sequence or of a text.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

from lib_indetail.attention.host_attention import HostAttention
from lib_indetail.attention.method import Beside, Text, Texts
from lib_indetail.attention.rows import Rows
from lib_indetail.bank.image_branch import RecordPass
from lib_indetail.inversion.inverter import Model as Noise
from lib_indetail.inversion.inverter import Progress
from lib_indetail.noise.schedule import Schedule

if TYPE_CHECKING:
    from PIL import Image

    from lib_indetail.pictures.placing import Crop

Change = Callable[[torch.Tensor], torch.Tensor]
"""Of latents [n, C, h, w], such as predicted clean ones."""
Sample = Callable[[torch.Tensor, Sequence[Beside], Change], torch.Tensor]
"""The host's sampling call, of latents [n, C, h, w], the last of which are images beside those of the pass, and of what
changes the noise of a step."""
Replaced = Callable[[str, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Of an attention layer's name, its queries, keys and values, and what somebody has put in the place of its attention,
all [rows, tokens, C']: what stands there in the end, before the output projection."""


@dataclass(frozen=True)
class Frame:
    """What a text is encoded for: the size of a pass, and its numbers of steps as prompt editing counts them."""

    width: int
    height: int
    steps: int
    hires_steps: int | None = None


@dataclass(frozen=True)
class Token:
    """One token of a prompt: what it reads as, and its places in the rows of a text."""

    text: str
    places: tuple[int, ...]


class Model(Protocol):
    """A checkpoint that a host has loaded. What it predicts is "eps" or "v"."""

    prediction: str

    @property
    def unet(self) -> nn.Module:
        """Of ldm or sgm structure."""

    @property
    def schedule(self) -> Schedule:
        """The noise levels in force."""

    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype:
        """Of the UNet's numbers."""

    @property
    def attention(self) -> HostAttention: ...

    def refuse(self) -> None:
        """Raises CannotAct, by name, for a kind of model or of UNet that cannot be used."""

    def timestep(self, sigma: float) -> float:
        """What the sampler feeds the UNet at a noise level."""

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        """Clean latents [n, C, h, w] of pictures [n, 3, H, W] in -1..1: the posterior's mean, scaled. The random state
        stays as it was. Raises CannotAct for NaN."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pictures [n, 3, H, W] in -1..1."""

    def text(self, prompt: str, frame: Frame) -> Text:
        """The conditioning of a prompt at the first step of a pass: its first AND part."""

    def tokens(self, prompt: str) -> Sequence[Token]:
        """The tokens of that part, emphasis applied, with their places in the rows of `text`."""

    def ready(self) -> AbstractContextManager:
        """For own passes: the weights are on the device with what is in force on them, and nobody is at work there."""

    def outside(self, text: Text, clean: torch.Tensor) -> Noise:
        """An own call from outside the host's calls, of any number of rows; `clean` is the picture's latent."""

    def inside(self, text: Text, clean: torch.Tensor) -> RecordPass:
        """An own call within one of the host's calls of the UNet."""

    def makes_latents(self) -> Hashable:
        """All that `encode` depends on."""

    def makes_noise(self) -> Hashable:
        """All that an inversion depends on beside that. Raises CannotAct where it cannot be told."""

    def makes_records(self) -> Hashable:
        """All that keys and values at the sampler's own levels depend on beside that."""


@dataclass(frozen=True, eq=False)
class Known:
    """What a pass keeps of a latent that it was given: `latent` [n, C, h, w], and `free` [.., h, w], 1 where it is
    made anew."""

    latent: torch.Tensor
    free: torch.Tensor


class Pass(Protocol):
    """One sampling call of a generation, known before it begins. `title` is "" where there is one, else "first pass"
    or "second pass". `batch` are the numbers of its images among all of the generation."""

    title: str
    from_noise: bool
    batch: range
    frame: Frame
    prompts: Sequence[str]
    negatives: Sequence[str]

    @property
    def inpainted(self) -> Crop | None:
        """The part of the whole image that is made, where it is made at full size."""

    @property
    def known(self) -> Known | None:
        """What of a given latent it keeps."""

    @property
    def conditioning(self) -> torch.Tensor | None:
        """What an inpainting model is fed beside the noisy latents, [n, 5, h, w]: where it is made anew, and the latent
        of what is seen."""

    @property
    def has_structure(self) -> bool:
        """Whether a ControlNet gives one."""

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        """Unit noise of other images [n, C, h, w], from which a sampler's steps go on where these stand beside."""

    def between_seeds(self, seeds: Sequence[int], places: Sequence[float]) -> None:
        """All noise that a second pass draws lies at these places of the way to that of these seeds, image by image."""

    def styled(self, prompt: str) -> str:
        """A prompt with what the host adds to those of the pass."""

    def take_beside(self, label: str, prompt: str) -> None:
        """A prompt will be that of images beside, or be asked for. Raises BadSetting, with the label, for one that
        cannot."""

    def will_sample(self, calls: int, frames: int) -> None:
        """In this batch there will be so many sampling calls in the place of one, each of which draws the same noise,
        and behind a first pass a second one of each of so many frames."""

    def pixels(self, latents: torch.Tensor) -> torch.Tensor | None:
        """Where a second pass begins with pixels, those of what the first one has made: [.., C, h, w] as
        [.., 3, H, W]; None where it begins with latents, or where there is none."""

    def levels(self, model: Model) -> tuple[list[float], list[float]]:
        """Falling sigmas without the clean end: all of them, and those at which `model` is at work, before another
        takes its place."""

    def evaluations(self, told: Callable[[Evaluation], torch.Tensor],
                    apart: Callable[[], AbstractContextManager]) -> AbstractContextManager:
        """Within, `told` stands in the place of every evaluation of this pass, and what others send through the UNet
        meanwhile goes through `apart`. Nothing is left of it afterwards."""


class Evaluation(Protocol):
    """One evaluation of the guided model. `rows` are those of its calls of the UNet, told by the host; `sigma` and
    `timestep` its noise level."""

    model: Model
    sigma: float
    timestep: float
    rows: Rows

    def text(self, prompt: str) -> Text:
        """The row of another prompt at this moment, encoded as the pass encodes its own."""

    def predict(self, *, spare_uncond: bool = False, texts: Texts | None = None,
                replaced: Replaced | None = None) -> torch.Tensor:
        """The host's own answer. `spare_uncond` keeps a ControlNet's residuals from the uncond rows; `texts` gives
        other text rows in the place of its own; `replaced` is asked wherever somebody's function stands in the place
        of an attention layer, which then is not called as a module."""

    def changed(self, prediction: torch.Tensor, change: Change) -> torch.Tensor:
        """The same answer with its clean latents changed, but for what the pass knows already."""

    def suspects(self) -> tuple[str, ...]:
        """Extensions that may be why a call did not come by."""


class Host(Protocol):
    """The program around it."""

    def model(self) -> Model:
        """The one at work now."""

    def image_tower(self) -> Callable[[Image.Image], torch.Tensor] | None:
        """What gives a feature [F] of a picture, as far as the host has such a network loaded already."""

    def free_memory(self) -> int:
        """Bytes on the device."""

    def free_main_memory(self) -> int:
        """Bytes beside it."""

    def keep_free(self, size: int) -> AbstractContextManager:
        """So many bytes on the device are ours, for the length of a sampling call."""

    def progress(self, doing: str) -> AbstractContextManager[Progress]:
        """A part of the host's progress, for as long as something is done that is not sampling."""

    def interrupted(self) -> bool: ...

    def tell(self, doing: str | None) -> None:
        """What is done now, beside the progress; None takes it away."""

    def option(self, name: str) -> Any:
        """A person's choice on the host's page of settings, by the names of `ask.options`."""

    def folder(self, name: str) -> Path:
        """A folder or file of ours in the host's data folder; an absolute path is what it is."""
