"""A UNet small enough for hundreds of runs, with effect: its zero-initialised layers are drawn too."""

from __future__ import annotations

import dataclasses

import torch

from embedded.checkpoint import LatentDiffusion
from embedded.model import build_unet
from embedded.samplers import ddim_steps
from embedded.schedule import alphas_cumprod
from embedded.unet_calls import GuidedModel
from lib_indetail.attention.calls import Call, Readable
from lib_indetail.attention.entered import BeforeProjection, BehindModule, of_module
from lib_indetail.attention.hooks import InDetailHooks
from lib_indetail.attention.host_attention import HostAttention
from lib_indetail.attention.sites import Site
from lib_indetail.bank.image_branch import branches
from lib_indetail.inversion.inverter import Inverter
from lib_indetail.inversion.passes import image_passes, plain_pass
from lib_indetail.methods.plans import of_one
from lib_indetail.noise.schedule import NoiseSchedule
from lib_indetail.noise.window import FULL_NOISE, position

SMALL = dict(image_size=8, model_channels=32, channel_mult=[1], num_res_blocks=1, attention_resolutions=[1],
             num_heads=4, context_dim=32)


def draw_weights(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Random weights everywhere, so that no layer is zero."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if parameter.ndim > 1:
            spread = parameter[0].numel() ** -0.5
            parameter.data = torch.randn(parameter.shape, generator=generator) * spread
        else:
            parameter.data = parameter.data + 0.1 * torch.randn(parameter.shape, generator=generator)
    return module.eval().requires_grad_(False)


def small_model(**changes) -> LatentDiffusion:
    unet = draw_weights(build_unet(**(SMALL | changes)))
    return LatentDiffusion(unet, None, NoiseSchedule(alphas_cumprod()), 1.0)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Scene:
    """A model with texts for `n` pictures, an image latent and its re-noised chain."""

    def __init__(self, model: LatentDiffusion, n: int = 2, scale: float = 5.0, size: int = 8):
        self.model, self.n, self.scale, self.size = model, n, scale, size
        self.cond, self.uncond, self.image_text, self.empty = (
            randn(rows, 7, 32, seed=seed) for seed, rows in ((1, 1), (2, 1), (3, 1), (4, 1)))
        self.chain = Inverter(model.schedule).renoise(randn(1, 4, size, size, seed=5), randn(1, 4, size, size, seed=6))
        self.shown = self.chain.shown(model.schedule)
        self.with_text, self.without_text = (plain_pass(model.unet, text) for text in (self.image_text, self.empty))
        self.x = randn(2 * n, 4, size, size, seed=7)
        self.context = torch.cat([self.cond.expand(n, -1, -1), self.uncond.expand(n, -1, -1)])
        self.roles = ["cond"] * n + ["uncond"] * n

    def hooks(self, settings, **changes) -> InDetailHooks:
        arguments = dict(latent_at=self.shown, passes=image_passes(settings, self.with_text, self.without_text),
                         method=of_one(settings), blocks=settings.blocks, memory=None, attention=None,
                         watch=None) | changes
        read = branches(*(arguments[name] for name in ("latent_at", "passes", "blocks", "memory")))
        return InDetailHooks(self.model.unet, read, arguments["method"], arguments["attention"],
                             arguments["watch"])

    def plain(self, t: float = 501.0) -> torch.Tensor:
        return self.model.unet(self.x, torch.full((len(self.x),), t), context=self.context)

    def call(self, settings, t: float = 501.0, order=None, splits=None, **changes) -> torch.Tensor:
        """One evaluation, rows in this order and sent in these splits; the answer in the scene's order."""
        order = list(range(len(self.x))) if order is None else order
        x, context = self.x[order], self.context[order]
        with self.hooks(settings, **changes) as hooks, hooks.evaluation(
                self.model.schedule.sigma(t), 1 - t / 1000, [self.roles[i] for i in order]):
            parts = [self.model.unet(a, torch.full((len(a),), t), context=b)
                     for a, b in zip(x.split(splits or len(x)), context.split(splits or len(x)), strict=True)]
        return torch.cat(parts)[torch.tensor(order).argsort()]

    def sample(self, hooks=None, timesteps=(801, 601, 401, 201), structure=None) -> list[torch.Tensor]:
        """Latents after every DDIM step; enters and leaves the hooks."""
        noise = randn(self.n, 4, self.size, self.size, seed=8)
        guided = GuidedModel(self.model, self.cond.expand(self.n, -1, -1), self.uncond.expand(self.n, -1, -1),
                             self.scale, hooks and Following(hooks), structure)
        with hooks if hooks is not None else torch.no_grad():
            return [z for z, _ in ddim_steps(guided, noise, list(timesteps))]

    def with_scale(self, scale: float) -> Scene:
        return Scene(self.model, self.n, scale, self.size)


def behind(module, x, output, banks=None, cells=None, **met) -> Call:
    """Rows that a self-attention has answered."""
    met = dict(attention=HostAttention(), module=module, x=x, context=x, output=output) | met
    return Call(Site("attn1"), BehindModule(**met), Readable(banks or {}), cells)


def before(module, queries, keys, values, banks=None, cells=None, **met) -> Call:
    """Rows of a self-attention before its output projection."""
    attention = of_module(HostAttention(), module)
    return Call(Site("attn1"), BeforeProjection(module.heads, queries, keys, values, attention, **met),
                Readable(banks or {}), cells)


class Following:
    """Tells hooks of every evaluation, and does nothing else of a `Generation`."""

    def __init__(self, hooks: InDetailHooks, from_noise: bool = True):
        self._hooks, self._first = hooks, FULL_NOISE if from_noise else None

    def evaluated(self, evaluation):
        self._first = evaluation.timestep if self._first is None else self._first
        with self._hooks.evaluation(evaluation.sigma, position(evaluation.timestep, self._first), evaluation.rows):
            return evaluation.predict()


class Reader(HostAttention):
    """Keeps the keys and values of everything that is attended to, rows' own ones and recorded ones."""

    def __init__(self):
        self.read = []

    def heads(self, module, queries, keys, values, bias=None):
        self.read += [keys[:1].clone(), values[:1].clone()]
        return super().heads(module, queries, keys, values, bias)


class Notebook:
    """A memory that knows nothing and writes down what it is given."""

    def __init__(self):
        self.kept = []

    def recall(self, bank, sigma):
        return None

    def keep(self, bank, sigma, layers):
        self.kept.append((bank, sigma, layers))


def as_v(model: LatentDiffusion) -> LatentDiffusion:
    """The same model as one that predicts v."""
    unet = build_twin(model.unet, model.schedule)
    return dataclasses.replace(model, unet=unet, prediction="v")


def build_twin(unet: torch.nn.Module, schedule: NoiseSchedule) -> torch.nn.Module:
    """A copy whose forward turns eps into v; timesteps between integers by k-diffusion's rule."""
    import copy

    abar = schedule.alphas_cumprod.double()
    log_sigmas = ((1 - abar) / abar).log() / 2

    class Twin(type(unet)):
        def forward(self, x, timesteps=None, context=None, y=None, **kwargs):
            eps = super().forward(x, timesteps, context=context, y=y, **kwargs)
            t = timesteps.double()
            low = t.floor().long().clamp(max=len(abar) - 2)
            sigma = torch.lerp(log_sigmas[low], log_sigmas[low + 1], t - low).exp().view(-1, 1, 1, 1)
            return ((eps * (1 + sigma**2) ** 0.5) - sigma * x).to(x)

    twin = copy.deepcopy(unet)
    twin.__class__ = Twin
    return twin
