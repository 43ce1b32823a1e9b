"""Looking up the image latent at any noise level."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.inversion.inverter import Inverter, ddim_nodes
from lib_indetail.noise.chain import Chain
from tests.official import relative_error
from tests.small import randn


@pytest.fixture
def chain(schedule):
    """Ten nodes of unrelated latents: nothing but the lookup's own rule can predict what lies between."""
    timesteps = [0, *ddim_nodes(10)]
    return Chain(tuple(schedule.sigma(t) for t in timesteps),
                 tuple(randn(1, 4, 4, 4, seed=seed) for seed in range(len(timesteps))))


def abar_of_sigma(sigma):
    return 1 / (1 + sigma**2)


def ddim_step(z, eps, here, there):
    """The textbook step between two abars."""
    return there**0.5 * (z - (1 - here) ** 0.5 * eps) / here**0.5 + (1 - there) ** 0.5 * eps


def test_a_nodes_own_sigma_gives_that_very_node(chain):
    assert all(chain.at(sigma) is latent for sigma, latent in zip(chain.sigmas, chain.latents, strict=True))


@pytest.mark.parametrize("part", [0.01, 0.37, 0.99])
def test_between_two_nodes_lies_a_partial_ddim_step(chain, schedule, part):
    for low, high in zip(range(10), range(1, 11), strict=False):
        ends = chain.sigmas[low], chain.sigmas[high]
        eps = (chain.latents[high] - chain.latents[low]) / (ends[1] - ends[0])
        sigma = ends[0] + part * (ends[1] - ends[0])
        for node, abar in zip((low, high), map(abar_of_sigma, ends), strict=True):
            expected = ddim_step(abar**0.5 * chain.latents[node], eps, abar, abar_of_sigma(sigma))
            assert relative_error(chain.shown(schedule)(sigma), expected) < 1e-5


@pytest.mark.parametrize("share", [-1.0, 0.0, 0.5, 1.0])
def test_below_the_first_node_the_clean_latent_is_held(chain, share):
    assert chain.at(share * chain.sigmas[0]) is chain.latents[0]


@pytest.mark.parametrize("t", [902.5, 950, 999])
def test_above_the_last_node_its_segment_goes_on(chain, schedule, t):
    (low, high), sigma = chain.sigmas[-2:], schedule.sigma(t)
    before, last = chain.latents[-2:]
    assert sigma > high
    assert relative_error(chain.at(sigma), last + (sigma - high) / (high - low) * (last - before)) < 1e-5


def test_a_constant_noise_prediction_gives_one_straight_line_up_to_999(schedule):
    clean, eps = randn(1, 4, 4, 4, seed=1), randn(1, 4, 4, 4, seed=2)
    chain = Inverter(schedule).ddim(lambda z, t: eps, clean)
    for t in (1, 2, 10.5, 300.3, 981, 990.1, 999):
        expected = ddim_step(clean, eps, schedule.abar(0), schedule.abar(t))
        assert relative_error(chain.shown(schedule)(schedule.sigma(t)), expected) < 1e-5, t


class Gaussian:
    """Data ~ N(mean, 0.5^2): the best noise prediction and its exact flow are known."""

    mean, deviation = 0.3, 0.5

    def __init__(self, schedule):
        self.schedule = schedule

    def __call__(self, z, t):
        abar = self.schedule.abar(t)
        return (1 - abar) ** 0.5 * (z - abar**0.5 * self.mean) / (abar * self.deviation**2 + 1 - abar)

    def flow(self, clean, t):
        spread = [(self.deviation**2 + self.schedule.sigma(s) ** 2) ** 0.5 for s in (0, t)]
        start = clean / self.schedule.abar(0) ** 0.5
        return self.schedule.abar(t) ** 0.5 * (self.mean + (start - self.mean) * spread[1] / spread[0])


def worst_error(schedule, nodes):
    oracle, clean = Gaussian(schedule), 0.3 + 0.5 * randn(1, 4, 4, 4)
    chain = Inverter(schedule).ddim(oracle, clean, ddim_nodes(nodes))
    levels = [1.5, 33, 140.2, 480, 777.7, 950]
    return max(relative_error(chain.shown(schedule)(schedule.sigma(t)), oracle.flow(clean, t)) for t in levels)


def test_the_chain_of_a_gaussian_follows_its_exact_flow_and_gets_closer_with_more_nodes(schedule):
    errors = [worst_error(schedule, nodes) for nodes in (50, 100, 200)]
    assert errors[0] < 0.05
    assert errors[1] < 0.6 * errors[0] and errors[2] < 0.6 * errors[1]


@pytest.mark.parametrize("sigmas", [(1.0, 0.5), (1.0, 1.0), (0.1, 0.3, 0.2)])
def test_sigmas_that_do_not_ascend_are_refused(sigmas):
    with pytest.raises(ValueError, match="ascend"):
        Chain(sigmas, tuple(torch.zeros(1, 4, 2, 2) for _ in sigmas))


@pytest.mark.parametrize(("sigmas", "latents"), [((1.0,), 1), ((), 0), ((1.0, 2.0), 3), ((1.0, 2.0, 3.0), 2)])
def test_a_chain_needs_two_nodes_and_one_latent_each(sigmas, latents):
    with pytest.raises(ValueError, match="one sigma per latent"):
        Chain(sigmas, tuple(torch.zeros(1, 4, 2, 2) for _ in range(latents)))
