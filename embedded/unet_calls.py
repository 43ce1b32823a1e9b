"""One evaluation of the guided model, with rows in the WebUI's order: cond rows first, then uncond rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from embedded.checkpoint import LatentDiffusion
from embedded.control import ControlNet, add_residuals
from embedded.host import EmbeddedModel
from lib_indetail.attention.rows import Role, Row, RowCursor
from lib_indetail.noise.schedule import changed_noise
from lib_indetail.noise.window import FULL_NOISE, position
from lib_indetail.run.generation import Generation
from lib_indetail.run.host import Change, Frame, Replaced, Text, Texts


@dataclass(eq=False)
class Structure:
    """Residuals for the UNet's skip connections and middle block, from a ControlNet and its hint, or given.

    Up to position `uncond_from` the uncond rows get none, as in the official structure-guided code.
    """

    control: ControlNet | None = None
    hint: torch.Tensor | None = None
    given: tuple[list[torch.Tensor], torch.Tensor] | None = None
    uncond_from: float = 0.0

    def residuals(self, x, timesteps, context, roles: list[Role], u: float):
        down, middle = self.given or self.control(x, self.hint, timesteps, context)
        shares = [0.0 if role == "uncond" and u < self.uncond_from else 1.0 for role in roles]
        rows = torch.tensor(shares).to(x).view(-1, 1, 1, 1)
        return [residual * rows for residual in down], middle * rows


class GuidedModel:
    """model output under classifier-free guidance, for `n` pictures at one noise level.

    cond, uncond: [n, tokens, D], or SDXL's {"crossattn": [n, tokens, D], "vector": [n, V]}. At a guidance scale of 1 no
    uncond row is computed. A `generation` is told of every evaluation; where the pass does not begin with pure noise,
    its first one is its start.
    """

    def __init__(self, model: LatentDiffusion, cond: Text, uncond: Text, scale: float,
                 generation: Generation | None = None, structure: Structure | None = None):
        self.model, self.cond, self.uncond, self.scale = model, cond, uncond, scale
        self.generation, self.structure = generation, structure
        self.first_t = FULL_NOISE

    def __call__(self, z: torch.Tensor, sigma: float, t: float | None = None) -> torch.Tensor:
        """Output [n, C, H, W] for variance-preserving latents z at `sigma`; `t` if the sampler knows it."""
        evaluation = _Evaluation(self, z, sigma, self.model.schedule.timestep(sigma) if t is None else t)
        return self.generation.evaluated(evaluation) if self.generation else evaluation.predict()

    def predicted(self, z: torch.Tensor, t: float, roles: list[Role], texts: Texts | None = None) -> torch.Tensor:
        cond, uncond = texts(self.cond, self.uncond, self._text_of) if texts else (self.cond, self.uncond)
        guided = self.scale != 1
        x = torch.cat([z, z]) if guided else z
        context = _joined(cond, uncond) if guided else cond
        output = self._unet(x, torch.full((len(x),), t), context, roles, position(t, self.first_t))
        return self.combined(output[:len(z)], output[len(z):]) if guided else output

    def _text_of(self, prompt: str) -> Text:
        return self.model.text([prompt])

    def combined(self, cond: torch.Tensor, uncond: torch.Tensor) -> torch.Tensor:
        """Of what the rows of both sides have."""
        return uncond + self.scale * (cond - uncond)

    def _unet(self, x, timesteps, context, roles, u) -> torch.Tensor:
        unet = self.model.unet
        if isinstance(context, Mapping):
            return unet(x, timesteps, context=context["crossattn"], y=context["vector"])
        if self.structure is None:
            return unet(x, timesteps, context=context)
        down, middle = self.structure.residuals(x, timesteps, context, roles, u)

        def forward(x, timesteps=None, context=None, y=None):
            return add_residuals(unet, x, timesteps, context, down, middle)

        unet.forward = forward
        try:
            return unet(x, timesteps, context=context)
        finally:
            del unet.forward


def _joined(first: Text, second: Text) -> Text:
    """The rows of both."""
    if torch.is_tensor(first):
        return torch.cat([first, second])
    return {name: torch.cat([part, second[name]]) for name, part in first.items()}


class _Evaluation:
    """See `run.host.Evaluation`. Which rows a ControlNet spares is the structure's to say."""

    def __init__(self, guided: GuidedModel, z: torch.Tensor, sigma: float, t: float):
        self._guided, self._z, self.sigma, self.timestep = guided, z, sigma, t
        self.model = EmbeddedModel(guided.model)
        n, sides = len(z), ["cond", "uncond"] if guided.scale != 1 else ["cond"]
        self._roles: list[Role] = [role for role in sides for _ in range(n)]
        self.rows = RowCursor([Row(role, number % n) for number, role in enumerate(self._roles)])

    def text(self, prompt: str) -> Text:
        return self.model.text(prompt, Frame(0, 0, 0))

    def predict(self, *, spare_uncond: bool = False, texts: Texts | None = None,
                replaced: Replaced | None = None) -> torch.Tensor:
        return self._guided.predicted(self._z, self.timestep, self._roles, texts)

    def changed(self, prediction: torch.Tensor, change: Change) -> torch.Tensor:
        return changed_noise(self._z / self.model.schedule.scale(self.sigma), prediction, self.sigma, change)

    def suspects(self) -> tuple[str, ...]:
        return ()
