"""Fixtures shared by the whole suite. Every test runs without gradients."""

from __future__ import annotations

import pytest
import torch

from embedded import checkpoint
from embedded.schedule import alphas_cumprod
from lib_indetail.noise.schedule import NoiseSchedule
from tests.official import golden_model


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="session")
def tiny():
    """The golden cases' model: SD1 layout, 9 decoder self-attentions, context width 32, no text tower."""
    return golden_model()


@pytest.fixture(scope="session")
def embedded():
    """The embedded model. It is part of the project: without its weights the tests fail."""
    return checkpoint.load_model()


@pytest.fixture(scope="session")
def schedule() -> NoiseSchedule:
    return NoiseSchedule(alphas_cumprod())
