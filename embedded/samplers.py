"""DDIM as the official code runs it, and every sampler of k-diffusion, over one guided model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

from embedded.kdiffusion import external, sampling
from embedded.unet_calls import GuidedModel
from lib_indetail.inversion.inverter import ddim_nodes
from lib_indetail.noise.schedule import NoiseSchedule, stepped_as_shown

if TYPE_CHECKING:
    from embedded.generate import Request

K_SAMPLERS = tuple(sorted(name.removeprefix("sample_") for name in vars(sampling) if name.startswith("sample_")))
SAMPLERS = ("ddim", *K_SAMPLERS)
SCHEDULERS = ("plain", "karras", "exponential")
Tint = Callable[[torch.Tensor, float], torch.Tensor]


def sample(guided: GuidedModel, request: Request, tint: Tint | None = None) -> torch.Tensor:
    """Clean latents [n, 4, h, w]. `tint` may change the initial unit noise, knowing its sigma."""
    tint = tint or (lambda noise, sigma: noise)
    generators = [torch.Generator().manual_seed(seed) for seed in request.seeds]
    noise = _noise(generators, (4, *request.size))
    if request.sampler == "ddim":
        return _sample_ddim(guided, request, noise, tint)
    return _sample_k(guided, request, noise, tint, generators)


def _noise(generators: list[torch.Generator], shape: tuple[int, ...]) -> torch.Tensor:
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators])


def _sample_ddim(guided: GuidedModel, request: Request, noise: torch.Tensor, tint: Tint) -> torch.Tensor:
    schedule = guided.model.schedule
    timesteps = ddim_nodes(request.steps, len(schedule))[::-1]
    timesteps = timesteps[-max(1, round(request.steps * request.denoising)):]
    z = tint(noise, schedule.sigma(timesteps[0]))
    if request.initial is not None:
        first = schedule.sigma(timesteps[0])
        z = (request.initial + first * noise) * schedule.scale(first)
        guided.first_t = timesteps[0]
    for done, step in enumerate(ddim_steps(guided, z, timesteps), 1):
        z = step[0]
        if request.progress is not None:
            request.progress(done, len(timesteps))
    return z


def ddim_steps(guided: GuidedModel, z: torch.Tensor,
               timesteps: list[int]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """DDIM with eta 0 down the timesteps, the last step to abar[0]: (latent after the step, model output) each."""
    schedule = guided.model.schedule
    for t, after in zip(timesteps, [*timesteps[1:], 0], strict=True):
        output = guided(z, schedule.sigma(t), t)
        noise = schedule.noise(output, z, t, guided.model.prediction)
        z = stepped_as_shown(schedule, z, noise, schedule.sigma(t), schedule.sigma(after))
        yield z, output


class _Denoiser(nn.Module):
    """The guided model as k-diffusion sees it: x = z / sqrt(abar) and sigma to the denoised latent."""

    def __init__(self, guided: GuidedModel):
        super().__init__()
        self.guided, self.sigma = guided, 0.0
        kind = external.CompVisDenoiser if guided.model.prediction == "eps" else external.CompVisVDenoiser
        self.wrapped = kind(_Inner(self))

    def forward(self, x: torch.Tensor, sigma: torch.Tensor, **_) -> torch.Tensor:
        self.sigma = float(sigma[0])
        return self.wrapped(x, sigma, cond=None)


class _Inner:
    def __init__(self, denoiser: _Denoiser):
        self._denoiser = [denoiser]
        self.alphas_cumprod = denoiser.guided.model.schedule.alphas_cumprod

    def apply_model(self, z: torch.Tensor, t: torch.Tensor, cond=None) -> torch.Tensor:
        denoiser = self._denoiser[0]
        return denoiser.guided(z, denoiser.sigma, float(t[0]))


def _sample_k(guided: GuidedModel, request: Request, noise: torch.Tensor, tint: Tint,
              generators: list[torch.Generator]) -> torch.Tensor:
    denoiser = _Denoiser(guided)
    sigmas = schedule_of(guided.model.schedule, request.scheduler, request.steps)
    if request.initial is None:
        first = float(sigmas[0])
        x = tint(noise, first) / guided.model.schedule.scale(first)
    else:
        sigmas = sigmas[-1 - max(1, round(request.steps * request.denoising)):]
        x = request.initial + noise * sigmas[0]
        guided.first_t = guided.model.schedule.timestep(float(sigmas[0]))
    return _call(request, denoiser, x, sigmas, generators)


def _call(request: Request, denoiser: _Denoiser, x: torch.Tensor, sigmas: torch.Tensor,
          generators: list[torch.Generator]) -> torch.Tensor:
    """Fit the arguments to the sampler: some want a range of sigmas, the random ones noise per picture."""
    function = getattr(sampling, f"sample_{request.sampler}")
    wanted = inspect.signature(function).parameters
    low, high = float(sigmas[sigmas > 0].min()), float(sigmas.max())
    arguments: dict = {"disable": True}
    if request.progress is not None:
        arguments["callback"] = lambda state: request.progress(min(state["i"] + 1, request.steps), request.steps)
    if "sde" in request.sampler:
        arguments["noise_sampler"] = sampling.BrownianTreeNoiseSampler(x, low, high, seed=list(request.seeds))
    elif "noise_sampler" in wanted:
        arguments["noise_sampler"] = lambda *_: _noise(generators, tuple(x.shape[1:]))
    if "sigmas" in wanted:
        return function(denoiser, x, sigmas, **arguments)
    if "n" in wanted:
        return function(denoiser, x, low, high, request.steps, **arguments)
    return function(denoiser, x, low, high, **arguments)


def schedule_of(schedule: NoiseSchedule, scheduler: str, steps: int) -> torch.Tensor:
    """Falling sigmas with a final zero, [steps + 1]."""
    low, high = schedule.sigma(0), schedule.sigma(len(schedule) - 1)
    if scheduler == "karras":
        return sampling.get_sigmas_karras(steps, low, high)
    if scheduler == "exponential":
        return sampling.get_sigmas_exponential(steps, low, high)
    timesteps = torch.linspace(len(schedule) - 1, 0, steps)
    return torch.tensor([*(schedule.sigma(float(t)) for t in timesteps), 0.0])
