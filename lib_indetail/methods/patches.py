"""The vote of patches: what latents look like where each of their patches is made of a picture's patches.

With the p x p patches q of a latent and y_j of pictures' clean latents, stride 1, [C p^2] numbers each,

    vote(q) = sum_j softmax_j(-|q - y_j|^2 / 2 h^2 + b(q, j)) y_j,    h^2 = softness C p^2 var(y)

where overlapping votes are averaged, and var is the mean of the pictures' variances by how far they act. That is the
mean of what is clean under a Gaussian of h, if all patches there are are the pictures' (Kamb and Ganguli, "An analytic
theory of creativity in convolutional diffusion models"; for one picture, "Efficient and Training-Free Single-Image
Diffusion Models", arXiv 2606.04299). Attention knows no neighbours; a patch holds them together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

LEAST = 1e-9
"""What a patch still sees of a picture that is masked out there, where another one acts."""
MOST_LOGITS = 2**24
"""So many at once: where a device has no fused attention they are all in memory."""
_WIDENING = 8


@dataclass(frozen=True, eq=False)
class Exemplar:
    """A picture that patches are taken from: its clean latent [1, C, h, w], how far it acts (0 to 1), how far each of
    its cells may be taken [h, w], and where in the new image it acts [H, W] (0 to 1; None: everywhere)."""

    clean: torch.Tensor
    amount: float
    take: torch.Tensor | None = None
    put: torch.Tensor | None = None


@dataclass(frozen=True)
class Term:
    """How patches vote: p cells wide, softness as above, and so many `octaves`: before the last vote one of patches
    that are twice as wide, of cells twice as far apart and as blurred, so that they reach periods longer than p; before
    that, four times."""

    size: int = 5
    softness: float = 0.02
    octaves: int = 1


def drawn(latents: torch.Tensor, exemplars: Sequence[Exemplar], term: Term) -> torch.Tensor:
    """x + w (vote(x) - x) for latents [n, C, H, W], with w = sum_i amount_i m_i, 1 at most, in their dtype. Without
    exemplars the very same tensor; so it is where nothing of them may be taken, or they are smaller than a patch."""
    wanted = latents.float()
    exemplars = [each for each in exemplars if each.amount > 0 and _Candidates.of(each, wanted, term, 1)]
    if not exemplars or min(latents.shape[-2:]) < term.size:
        return latents
    for octave in reversed(range(term.octaves)):
        wanted = _towards_vote(wanted, exemplars, term, 2**octave)
    weight = sum(each.amount * (1.0 if each.put is None else each.put.to(wanted)) for each in exemplars)
    weight = weight.clamp(max=1.0) if torch.is_tensor(weight) else min(weight, 1.0)
    return (latents + weight * (wanted - latents)).to(latents)


def _towards_vote(latents: torch.Tensor, exemplars: Sequence[Exemplar], term: Term, factor: int) -> torch.Tensor:
    """The latents with what the vote of patches that are `factor` times as wide changes in them."""
    coarse = _blurred(latents, factor)
    if min(coarse.shape[-2:]) <= (term.size - 1) * factor:
        return latents
    candidates = [found for each in exemplars
                  if (found := _Candidates.of(each, coarse, term, factor)) is not None]
    if not candidates:
        return latents
    return latents + vote(coarse, candidates, term, factor) - coarse


@dataclass(frozen=True, eq=False)
class _Candidates:
    """What one picture gives to a vote: its patches [N, C p^2] with the logarithms of how far they may be taken [N],
    and of how far it acts on each patch of the latents [queries]; 0-d where that is the same for all."""

    patches: torch.Tensor
    taken: torch.Tensor
    acting: torch.Tensor
    amount: float

    @classmethod
    def of(cls, exemplar: Exemplar, latents: torch.Tensor, term: Term, factor: int) -> _Candidates | None:
        """None where there are none."""
        clean, size = _blurred(exemplar.clean.to(latents), factor), term.size
        if min(clean.shape[-2:]) <= (size - 1) * factor:
            return None
        patches = _patches(clean, size, factor)[0]
        taken = torch.ones_like(patches[:, 0])
        if exemplar.take is not None:
            taken = _patches(exemplar.take.to(latents)[None, None], size, factor)[0].amin(-1)
            patches, taken = patches[taken > 0], taken[taken > 0]
        if not len(patches):
            return None
        acting = torch.tensor(exemplar.amount).to(latents)
        if exemplar.put is not None:
            acting = acting * _patches(exemplar.put.to(latents)[None, None], size, factor)[0].mean(-1)
        return cls(patches, taken.log(), acting.clamp_min(LEAST).log(), exemplar.amount)


def vote(latents: torch.Tensor, candidates: Sequence[_Candidates], term: Term, factor: int = 1) -> torch.Tensor:
    """[n, C, H, W]: every patch in the place of which the mean of the candidates stands, overlapping ones averaged."""
    keys = torch.cat([each.patches for each in candidates])
    middle = keys.mean(0)
    keys = keys - middle
    queries = _patches(latents, term.size, factor) - middle
    total = sum(each.amount for each in candidates)
    variance = sum(each.amount / total * (each.patches - each.patches.mean(0)).square().mean() for each in candidates)
    precision = 1 / (term.softness * keys.shape[-1] * variance + LEAST)
    wide_queries, wide_keys = _with_bias(queries * precision, keys, precision, candidates)
    made = _attended(wide_queries, wide_keys, _wide(keys, wide_keys.shape[-1]))[..., :keys.shape[-1]] + middle
    return _folded(made, latents.shape[-2:], term.size, factor)


def _with_bias(queries: torch.Tensor, keys: torch.Tensor, precision: torch.Tensor,
               candidates: Sequence[_Candidates]) -> tuple[torch.Tensor, torch.Tensor]:
    """q k - k^2 / 2 and what each candidate's masks add, as one product: one more channel, and one more of each picture
    that does not act everywhere alike."""
    owns = torch.cat([each.taken for each in candidates]) - precision * keys.square().sum(-1) / 2
    counts = [len(each.patches) for each in candidates]
    query_columns, key_columns = [torch.ones(queries.shape[1]).to(queries)], [owns]
    for number, each in enumerate(candidates if len(candidates) > 1 else []):
        is_its = torch.cat([torch.full((count,), float(number == other)) for other, count in enumerate(counts)])
        query_columns.append(each.acting.expand(queries.shape[1]))
        key_columns.append(is_its.to(keys))
    width = math.ceil((keys.shape[-1] + len(key_columns)) / _WIDENING) * _WIDENING
    columns = torch.stack(query_columns, -1).expand(len(queries), -1, -1)
    return (_wide(torch.cat([queries, columns], -1), width),
            _wide(torch.cat([keys, torch.stack(key_columns, -1)], -1), width))


def _attended(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """softmax(q k) v of [n, queries, D] with [keys, D], some queries at a time."""
    keys, values = (each.expand(len(queries), 1, -1, -1) for each in (keys, values))
    return torch.cat([functional.scaled_dot_product_attention(some[:, None], keys, values, scale=1.0)[:, 0]
                      for some in queries.split(max(1, MOST_LOGITS // keys.shape[-2]), dim=1)], 1)


def _wide(x: torch.Tensor, width: int) -> torch.Tensor:
    """Fused attention wants heads of some widths, and the same one for keys and values."""
    return functional.pad(x, (0, width - x.shape[-1]))


def _patches(latents: torch.Tensor, size: int, factor: int) -> torch.Tensor:
    """[n, C, H, W] -> [n, patches, C p^2]."""
    return functional.unfold(latents, size, dilation=factor).transpose(1, 2)


def _folded(patches: torch.Tensor, shape: torch.Size, size: int, factor: int) -> torch.Tensor:
    """Back again, each cell the mean of the patches that it is in."""
    summed = functional.fold(patches.transpose(1, 2), tuple(shape), size, dilation=factor)
    ones = torch.ones(1, size * size, patches.shape[1]).to(patches)
    return summed / functional.fold(ones, tuple(shape), size, dilation=factor)


def _blurred(latents: torch.Tensor, factor: int) -> torch.Tensor:
    """Each cell the mean of so many by so many."""
    if factor == 1:
        return latents
    edge = (factor - 1) // 2, factor // 2
    return functional.avg_pool2d(functional.pad(latents, (*edge, *edge), mode="replicate"), factor, stride=1)
