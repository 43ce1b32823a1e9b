"""One evaluation of the guided model, with rows in the WebUI's order: cond rows first, then uncond rows."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import torch

from embedded.checkpoint import LatentDiffusion
from embedded.control import ControlNet, add_residuals
from lib_indetail.colour import Colour
from lib_indetail.hooks import InDetailHooks
from lib_indetail.rows import Role, Row
from lib_indetail.window import FULL_NOISE, position


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

    cond, uncond: [n, tokens, D]. At a guidance scale of 1 no uncond row is computed.
    """

    def __init__(self, model: LatentDiffusion, cond: torch.Tensor, uncond: torch.Tensor, scale: float,
                 hooks: InDetailHooks | None = None, structure: Structure | None = None, colour: Colour | None = None):
        self.model, self.cond, self.uncond, self.scale = model, cond, uncond, scale
        self.hooks, self.structure, self.colour = hooks, structure, colour
        self.first_t = FULL_NOISE

    def __call__(self, z: torch.Tensor, sigma: float, t: float | None = None) -> torch.Tensor:
        """Output [n, C, H, W] for variance-preserving latents z at `sigma`; `t` if the sampler knows it."""
        t = self.model.schedule.timestep(sigma) if t is None else t
        n, guided = len(z), self.scale != 1
        roles: list[Role] = ["cond"] * n + ["uncond"] * (n if guided else 0)
        rows = [Row(role, number % n) for number, role in enumerate(roles)]
        x = torch.cat([z, z]) if guided else z
        context = torch.cat([self.cond, self.uncond]) if guided else self.cond
        u = position(t, self.first_t)
        with self.hooks.evaluation(sigma, u, rows) if self.hooks else contextlib.nullcontext():
            output = self._unet(x, torch.full((len(x),), t), context, roles, u)
        if guided:
            output = output[n:] + self.scale * (output[:n] - output[n:])
        if self.colour is not None and self.colour.acts(u):
            return self.colour.on_noise(z, output, sigma, u)
        return output

    def _unet(self, x, timesteps, context, roles, u) -> torch.Tensor:
        unet = self.model.unet
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
