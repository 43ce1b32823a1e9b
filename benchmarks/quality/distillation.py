"""Attention distillation as an anchor: the published method that carries over most, at three to four times the time.

After every DDIM step, latents z take on the picture's channel statistics, and go down the gradient of
sum_layers |A(Q, K, V) - stop(A(Q, K_P, V_P))| with the keys and values of the re-noised picture (Zhou and others,
"Attention Distillation: A Unified Approach to Visual Characteristics Transfer", CVPR 2025).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

from embedded.checkpoint import LatentDiffusion
from embedded.generate import Request
from embedded.unet_calls import GuidedModel
from lib_indetail.attention.layers import self_attention_layers
from lib_indetail.inversion.inverter import ddim_nodes
from lib_indetail.noise.adain import adain
from lib_indetail.noise.schedule import stepped_as_shown

LAYERS = 6
"""The last ones, as theirs."""
RATE, TIMES = 0.05, 2
Heads = dict[nn.Module, list[torch.Tensor]]
"""By layer what its projections of queries, keys and values gave, [rows, tokens, D] each."""


def distilled(model: LatentDiffusion, request: Request, clean: torch.Tensor) -> torch.Tensor:
    """Clean latents [n, 4, h, w] of a request of ddim, drawn towards a picture's clean latent [1, 4, h, w]."""
    cond, uncond = (model.text([text]).detach().expand(len(request.seeds), -1, -1)
                    for text in (request.prompt, request.negative))
    guided, schedule = GuidedModel(model, cond, uncond, request.guidance_scale), model.schedule
    generators = [torch.Generator().manual_seed(seed) for seed in request.seeds]
    z = torch.stack([torch.randn((4, *request.size), generator=each) for each in generators])
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    timesteps = ddim_nodes(request.steps, len(schedule))[::-1]
    layers = list(self_attention_layers(model.unet).values())[-LAYERS:]
    for t, after in zip(timesteps, [*timesteps[1:], 0], strict=True):
        here, there = schedule.sigma(t), schedule.sigma(after)
        with torch.no_grad():
            predicted = schedule.noise(guided(z, here, t), z, t, model.prediction)
            z = stepped_as_shown(schedule, z, predicted, here, there)
            if not after:
                return z
            picture = (clean + there * noise) * schedule.scale(there)
            z = adain(z, picture)
        z = _nearer(model, layers, z, picture, after)
    return z


def _nearer(model: LatentDiffusion, layers: list[nn.Module], z: torch.Tensor, picture: torch.Tensor,
            t: int) -> torch.Tensor:
    empty = model.text([""]).detach()
    with torch.no_grad():
        theirs = _heads(model, layers, picture, t, empty)
    z = z.clone().requires_grad_()
    optimiser = torch.optim.Adam([z], lr=RATE)
    for _ in range(TIMES):
        with torch.enable_grad():
            ours = _heads(model, layers, z, t, empty)
            loss = sum(_distance(layer, ours[layer], theirs[layer]) for layer in layers)
            z.grad, = torch.autograd.grad(loss, z)
        optimiser.step()
    return z.detach()


def _distance(layer: nn.Module, ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> torch.Tensor:
    """Between what a layer's queries find in their own keys and in the picture's."""
    query, key, value = (_split(each, layer.heads) for each in ours)
    _, key_p, value_p = (_split(each, layer.heads).expand(len(query), -1, -1, -1) for each in theirs)
    own, wanted = (functional.scaled_dot_product_attention(query, *each) for each in ((key, value), (key_p, value_p)))
    return len(query) * functional.l1_loss(own, wanted.detach())


def _split(tokens: torch.Tensor, heads: int) -> torch.Tensor:
    """[rows, tokens, D] -> [rows, heads, tokens, D / heads]."""
    return tokens.unflatten(-1, (heads, -1)).transpose(1, 2)


def _heads(model: LatentDiffusion, layers: list[nn.Module], z: torch.Tensor, t: int, empty: torch.Tensor) -> Heads:
    with _watched(layers) as seen:
        model.unet(z, torch.full((len(z),), float(t)), context=empty.expand(len(z), -1, -1))
    return seen


@contextlib.contextmanager
def _watched(layers: list[nn.Module]) -> Iterator[Heads]:
    seen: Heads = {layer: [] for layer in layers}
    hooks = [getattr(layer, name).register_forward_hook(lambda _, __, output, layer=layer: seen[layer].append(output))
             for layer in layers for name in ("to_q", "to_k", "to_v")]
    try:
        yield seen
    finally:
        for each in hooks:
            each.remove()
