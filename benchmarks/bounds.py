"""What the targets are measured against, in plain steps: c1, one call of one row; r, one row's share in a batched
call; a, the attention that reading a picture adds; h, making one row's keys and values from normed hidden states, which
a bank of half the size would have to do at every step."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch

from benchmarks.work import Work
from lib_indetail.ask.settings import Settings
from lib_indetail.attention.host_attention import HostAttention
from lib_indetail.attention.layers import self_attention_layers
from lib_indetail.noise.window import position


def timed(work: Work, call: Callable[[], object]) -> float:
    """Seconds."""
    if work.device.type == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    call()
    if work.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


@torch.no_grad()
def bounds(work: Work, rounds: int = 5) -> dict[str, float]:
    """cs in seconds, and c1, r, a and h in multiples of it: medians over rounds in which all are measured once."""
    attention = [_Attention(work, module, tokens) for module, tokens in _layers(work)]
    stratified = sum(position(t) < Settings().stratified_until for t in work.timesteps) / work.steps
    calls: dict[str, Callable[[], object]] = {
        "cs": lambda: _rows(work, 2 * work.batch), "c1": lambda: _rows(work, 1), "c8": lambda: _rows(work, 8),
        "own": lambda: [each.own() for each in attention], "image": lambda: [each.image() for each in attention],
        "both": lambda: [each.both() for each in attention],
        "h": lambda: [each.projected() for each in attention]}
    for call in calls.values():
        call()
    seconds = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name].append(timed(work, call))
    t = {name: median(each) for name, each in seconds.items()}
    added = stratified * t["image"] + (1 - stratified) * (t["both"] - t["own"])
    return {"cs": t["cs"], "c1": t["c1"] / t["cs"], "r": t["c8"] / 8 / t["cs"], "a": added / t["cs"],
            "h": t["h"] / t["cs"]}


def _rows(work: Work, count: int) -> torch.Tensor:
    z = work.picture.expand(count, -1, -1, -1).contiguous()
    return work.unet(z, torch.full((count,), 501, device=work.device), context=work.text[:1].expand(count, -1, -1))


def _layers(work: Work) -> list[tuple[torch.nn.Module, int]]:
    """The decoder's self-attention layers and their numbers of tokens."""
    layers, seen = self_attention_layers(work.unet), []
    handles = [module.register_forward_hook(lambda module, args, output: seen.append((module, output.shape[1])))
               for module in layers.values()]
    _rows(work, 1)
    [handle.remove() for handle in handles]
    return seen


class _Attention:
    """One layer's attention of the cond rows, without any projection."""

    def __init__(self, work: Work, module: torch.nn.Module, tokens: int):
        self._module, width = module, module.to_q.out_features
        self._queries, self._keys, self._values = (
            torch.randn(work.batch, tokens, width, device=work.device, dtype=work.dtype) for _ in range(3))
        self._bank = self._keys[:1], self._values[:1]
        self._hidden = torch.randn(1, tokens, module.to_k.in_features, device=work.device, dtype=work.dtype)

    def own(self) -> torch.Tensor:
        return HostAttention().heads(self._module, self._queries, self._keys, self._values)

    def projected(self) -> tuple[torch.Tensor, torch.Tensor]:
        return HostAttention().keys_values(self._module, self._hidden)

    def image(self) -> torch.Tensor:
        return HostAttention().heads(self._module, self._queries, *(part.expand_as(self._keys) for part in self._bank))

    def both(self) -> torch.Tensor:
        keys, values = (torch.cat([own, part.expand_as(own)], dim=1)
                        for own, part in zip((self._keys, self._values), self._bank, strict=True))
        return HostAttention().heads(self._module, self._queries, keys, values)
