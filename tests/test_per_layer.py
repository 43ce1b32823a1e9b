"""A layer's attention does not wait for masks: what belongs to tokens is made once, and is on the device from then on.

The device is torch's "meta", which has shapes and no numbers: whoever asks it for one, as one asks a GPU and waits,
gets an error.
"""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lib_indetail.attention.algebra import evaluate
from lib_indetail.attention.calls import Call
from lib_indetail.attention.masks import token_mask, token_means
from lib_indetail.attention.per_layer import PerLayer
from lib_indetail.attention.sites import Tokens
from lib_indetail.methods.mixing import CONCATENATED, Part, Stratified, mixed
from tests.attention_functions import SdpaCrossAttention
from tests.small import before

DEVICE = torch.device("meta")
SIDE, WIDTH = 8, 16
HALF = torch.zeros(SIDE, SIDE, dtype=torch.bool)
HALF[:, :4] = True
SOFT = torch.linspace(0, 1, SIDE * SIDE).reshape(SIDE, SIDE)


class Arrivals(TorchDispatchMode):
    """Counts what comes to the device from elsewhere."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and args[0].device != made.device == DEVICE:
            self.count += 1
        return made


def call(rows: int = 1) -> Call:
    with DEVICE:
        module = SdpaCrossAttention(WIDTH, heads=2, dim_head=WIDTH // 2)
        own = [torch.zeros(rows, SIDE * SIDE, WIDTH) for _ in range(3)]
        bank = tuple(torch.zeros(1, SIDE * SIDE, WIDTH) for _ in range(2))
    return before(module, *own, {"image": bank, "image 2": bank}, (SIDE, SIDE))


FEW, MANY, ALL = Tokens(4), Tokens(16), Tokens(SIDE * SIDE, (SIDE, SIDE))
PLANS = {
    "stratified, hard": [Part("image", 1.0, Stratified(0.5), take=token_mask(HALF))],
    "stratified, soft, put": [Part("image", 0.7, Stratified(0.5), token_means(SOFT), token_means(SOFT))],
    "concatenated, hard": [Part("image", 1.0, CONCATENATED, token_mask(HALF))],
    "concatenated, soft, put": [Part("image", 0.7, CONCATENATED, token_means(SOFT), token_means(SOFT))],
    "two": [Part("image", 0.5, Stratified(0.5), token_mask(HALF), token_means(SOFT)),
            Part("image 2", 0.5, CONCATENATED, token_means(SOFT), token_means(SOFT))],
    "no mask": [Part("image", 0.7, CONCATENATED)],
}


@pytest.mark.parametrize("name", PLANS)
def test_a_layer_asks_the_device_for_nothing_and_sends_it_a_mask_once(name):
    plan, calls = mixed(PLANS[name]), call()
    assert evaluate(plan, calls).shape == (1, SIDE * SIDE, WIDTH)
    with Arrivals() as arrivals:
        evaluate(mixed(PLANS[name]), calls)  # the next step's plan, with the same masks
    assert arrivals.count == 0


def test_the_first_time_is_counted():
    with Arrivals() as arrivals:
        evaluate(mixed([Part("image", 1.0, Stratified(0.5), take=token_mask(HALF))]), call())
    assert arrivals.count > 0


def test_a_value_is_made_once_for_each_layer_size_and_device():
    asked = []
    value = PerLayer(lambda tokens, device: asked.append((tokens, device.type)) or torch.zeros(tokens.count,
                                                                                               device=device))
    for tokens in (FEW, MANY, FEW, MANY):
        assert len(value(tokens)) == len(value.on(tokens, DEVICE)) == tokens.count
    assert asked == [(FEW, "cpu"), (FEW, "meta"), (MANY, "cpu"), (MANY, "meta")]


def test_the_numbers_that_a_mask_keeps_are_told_without_the_device():
    mask = token_mask(HALF)
    assert mask.kept(ALL, torch.device("cpu")).tolist() == [n for n in range(64) if n % 8 < 4]
    assert mask.kept(ALL, DEVICE).shape == (32,)


def test_a_hard_mask_at_full_strength_needs_no_bias():
    _, source = mixed([Part("image", 1.0, CONCATENATED, token_mask(HALF))])[0].sources
    assert source.bias(ALL) is None
    _, source = mixed([Part("image", 0.5, CONCATENATED, token_mask(HALF))])[0].sources
    assert source.bias(ALL) is not None


