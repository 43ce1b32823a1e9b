"""A flow's schedule fits the coordinate that variance-preserving ones have: inversion and steps know no difference."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from lib_indetail.inversion.inverter import Inverter, ddim_nodes
from lib_indetail.noise.flow import FlowSchedule
from lib_indetail.noise.schedule import stepped_as_shown
from tests.official import relative_error
from tests.small import randn

FLOW, CLEAN = FlowSchedule(), randn(1, 4, 4, 4)


class Gaussian:
    """Data ~ N(mean, 0.5^2): its velocity and its exact flow are known."""

    mean, deviation = 0.3, 0.5

    def __call__(self, z, t):
        s = torch.as_tensor(t, dtype=torch.float32).reshape(-1, 1, 1, 1) / 1000
        variance = (1 - s) ** 2 * self.deviation**2 + s**2
        return (s - (1 - s) * self.deviation**2) / variance * (z - (1 - s) * self.mean) - self.mean

    def flow(self, clean, t):
        s = t / 1000
        spread = ((1 - s) ** 2 * self.deviation**2 + s**2) ** 0.5 / self.deviation
        return (1 - s) * self.mean + (clean - self.mean) * spread


@pytest.mark.parametrize("t", [0, 1, 250.5, 500, 999])
def test_timestep_level_and_scale_name_one_moment(t):
    sigma = FLOW.sigma(t)
    assert FLOW.timestep(sigma) == pytest.approx(t) and FLOW.scale(sigma) == pytest.approx(1 - t / 1000)
    assert sigma * FLOW.scale(sigma) == pytest.approx(t / 1000)


@pytest.mark.parametrize("t", [0, 300, 999])
def test_the_noise_of_a_velocity_is_that_of_the_latent(t):
    eps = randn(1, 4, 4, 4, seed=2)
    z = (1 - t / 1000) * CLEAN + t / 1000 * eps
    assert (FLOW.noise(eps - CLEAN, z, t, "flow") - eps).abs().max() < 1e-5
    with pytest.raises(ValueError, match="must be 'flow', not 'eps'"):
        FLOW.noise(eps, z, t, "eps")


def test_a_refined_inversion_is_undone_exactly():
    inverter, nodes = Inverter(FLOW, "flow"), ddim_nodes(20)
    chain = inverter.refined(Gaussian(), CLEAN, nodes, iterations=40)
    assert relative_error(inverter.reconstruct(Gaussian(), chain, nodes), CLEAN) < 1e-4


@pytest.mark.parametrize("kind", ["ddim", "one_pass"])
def test_the_chain_follows_the_exact_flow_and_gets_closer_with_more_nodes(kind):
    errors = []
    for count in (25, 50, 100):
        inverter, nodes = Inverter(FLOW, "flow"), ddim_nodes(count)
        given = nodes if kind == "ddim" else [FLOW.sigma(t) for t in nodes]
        chain = getattr(inverter, kind)(Gaussian(), CLEAN, given)
        errors.append(max(relative_error(chain.shown(FLOW)(FLOW.sigma(t)), Gaussian().flow(CLEAN, t))
                          for t in (100, 420, 730, 940)))
    assert errors[0] < 0.1 and errors[1] < 0.6 * errors[0] and errors[2] < 0.6 * errors[1]


def test_sampling_down_the_timesteps_comes_to_the_data():
    nodes = [995.0, *ddim_nodes(200)[::-1], 0.0]
    z = Gaussian().flow(CLEAN, nodes[0])
    for t, after in pairwise(nodes):
        noise = FLOW.noise(Gaussian()(z, t), z, t, "flow")
        z = stepped_as_shown(FLOW, z, noise, FLOW.sigma(t), FLOW.sigma(after))
    assert relative_error(z, CLEAN) < 0.02
