"""Inversion: what it calls, how it stops, what it means, and how exact it is."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.errors import CannotAct, Interrupted
from lib_indetail.inversion.inverter import Inverter, ddim_nodes, reconstruction_error
from lib_indetail.inversion.kinds import fixed_noise, prepare_chain
from lib_indetail.inversion.passes import as_model, plain_pass
from tests.official import DATA, load_case, relative_error
from tests.small import randn

CLEAN = randn(1, 4, 4, 4, seed=1)
KINDS = {"DDIM": 1, "refined": 3, "re-noise": 0}


class LinearModel:
    """A noise prediction linear in z, different at every timestep; `calls` keeps what it was asked."""

    def __init__(self, schedule, prediction="eps"):
        self.schedule, self.prediction, self.calls = schedule, prediction, []

    def __call__(self, z, t):
        self.calls.append((z, t))
        if isinstance(t, torch.Tensor):
            rows = [self._output(row[None], float(at)) for row, at in zip(z, t, strict=True)]
            return torch.cat(rows)
        return self._output(z, t)

    def _output(self, z, t):
        eps = (0.3 + t / 2000) * z + 0.1 * z.flip(-1)
        if self.prediction == "eps":
            return eps
        abar = self.schedule.abar(t)
        return (eps - (1 - abar) ** 0.5 * z) / abar**0.5


def test_the_official_grid_has_50_nodes_from_1_to_981():
    assert ddim_nodes(50) == list(range(1, 982, 20))
    assert ddim_nodes(10) == [1, 101, 201, 301, 401, 501, 601, 701, 801, 901]
    assert ddim_nodes(3) == [1, 334, 667]


@pytest.mark.parametrize("count", [0, -1, 1000])
def test_an_impossible_number_of_nodes_is_refused(count):
    with pytest.raises(ValueError, match="number of nodes"):
        ddim_nodes(count)


@pytest.mark.parametrize(("kind", "calls_a_node"), KINDS.items())
def test_every_kind_makes_its_number_of_unet_calls(schedule, kind, calls_a_node):
    model = LinearModel(schedule)
    chain = prepare_chain(Settings(inversion=kind, nodes=7), Inverter(schedule), model, CLEAN)
    assert [t for _, t in model.calls] == [t for t in ddim_nodes(7) for _ in range(calls_a_node)]
    assert relative_error(chain.shown(schedule)(schedule.sigma(0)), CLEAN) < 1e-6 or kind == "re-noise"


def test_a_one_pass_inversion_calls_once_a_level_and_once_more(schedule):
    model, sigmas = LinearModel(schedule), [schedule.sigma(t) for t in (901, 301, 601, 301)]
    chain = prepare_chain(Settings(inversion="one pass"), Inverter(schedule), model, CLEAN, sigmas)
    assert [round(t, 3) for _, t in model.calls] == [301, 301, 601, 901]
    assert chain.sigmas == (schedule.sigma(0), *sorted(set(sigmas)))


def test_a_one_pass_chain_holds_what_was_evaluated_and_each_call_is_announced(schedule):
    model, seen = LinearModel(schedule), []

    @contextlib.contextmanager
    def listening(sigmas):
        before = len(model.calls)
        yield
        seen.append((*sigmas, *(z for z, _ in model.calls[before:])))

    chain = Inverter(schedule).one_pass(model, CLEAN, [schedule.sigma(t) for t in ddim_nodes(6)], listening)
    assert [sigma for sigma, *_ in seen] == list(chain.sigmas[1:])
    assert all(len(calls) == 1 and torch.equal(calls[0], chain.shown(schedule)(sigma)) for sigma, *calls in seen)


@pytest.mark.parametrize("prediction", ["eps", "v"])
def test_the_last_sweep_over_a_window_is_what_the_chain_holds_and_is_announced_with_its_levels(schedule, prediction):
    model, heard = LinearModel(schedule, prediction), []

    @contextlib.contextmanager
    def listening(sigmas):
        before = len(model.calls)
        yield
        heard.extend((sigmas, *call) for call in model.calls[before:])

    sigmas = [schedule.sigma(t) for t in ddim_nodes(7)]
    chain = Inverter(schedule, prediction).one_pass(model, CLEAN, sigmas, listening, window=3, sweeps=2)
    assert [len(z) for z, _ in model.calls] == [1, 3, 3, 3, 3, 1, 1]
    assert [sigma for part, *_ in heard for sigma in part] == list(chain.sigmas[1:])
    assert torch.equal(torch.cat([z for _, z, _ in heard]), torch.cat([*map(chain.shown(schedule), chain.sigmas[1:])]))
    timesteps = [t for *_, t in heard[:2]]
    assert torch.allclose(torch.cat(timesteps), torch.tensor(ddim_nodes(7)[:6], dtype=torch.float32), atol=1e-2)


def test_many_sweeps_over_one_window_are_the_chain_whose_every_node_is_a_fixed_point(schedule):
    model, inverter, nodes = LinearModel(schedule), Inverter(schedule), ddim_nodes(12)
    sigmas = [schedule.sigma(t) for t in nodes]
    whole = inverter.one_pass(model, CLEAN, sigmas, window=12, sweeps=60)
    fixed = inverter.refined(model, CLEAN, nodes, iterations=40)
    assert max(relative_error(z, w) for z, w in zip(whole.latents, fixed.latents, strict=True)) < 1e-4


def test_the_sampler_says_at_which_timesteps_its_levels_are_called(schedule):
    model = LinearModel(schedule)
    Inverter(schedule, timestep=lambda sigma: 7.0).one_pass(model, CLEAN, [1.0, 2.0, 3.0], window=2)
    assert [float(t) for _, ts in model.calls for t in (ts if isinstance(ts, torch.Tensor) else [ts])] == [7.0] * 4


def test_without_levels_a_one_pass_inversion_takes_the_settings_nodes(schedule):
    chain = prepare_chain(Settings(inversion="one pass", nodes=7), Inverter(schedule), LinearModel(schedule), CLEAN)
    assert chain.sigmas == tuple(schedule.sigma(t) for t in (0, *ddim_nodes(7)))


@pytest.mark.parametrize("sigmas", [[0.0], [0.001, -1.0]])
def test_a_one_pass_inversion_without_a_level_to_go_to_is_refused(schedule, sigmas):
    with pytest.raises(ValueError, match="needs a noise level"):
        Inverter(schedule).one_pass(LinearModel(schedule), CLEAN, sigmas)


def test_levels_at_the_clean_latent_are_left_to_it(schedule):
    clean, sigmas = schedule.sigma(0), [0.0, schedule.sigma(0), schedule.sigma(0) / 2, 3.0]
    assert Inverter(schedule).one_pass(LinearModel(schedule), CLEAN, sigmas).sigmas == (clean, 3.0)


def test_noise_is_predicted_at_the_target_timestep_on_the_latent_below(schedule):
    model = LinearModel(schedule)
    chain = Inverter(schedule).ddim(model, CLEAN, ddim_nodes(5))
    assert [t for _, t in model.calls] == ddim_nodes(5)
    shown = map(chain.shown(schedule), chain.sigmas[:-1])
    assert all(torch.equal(z, below) for (z, _), below in zip(model.calls, shown, strict=True))


@pytest.mark.parametrize("count", [1, 2, 50])
def test_ddim_takes_any_number_of_nodes(schedule, count):
    chain = Inverter(schedule).ddim(LinearModel(schedule), CLEAN, ddim_nodes(count))
    assert chain.sigmas == tuple(schedule.sigma(t) for t in (0, *ddim_nodes(count)))
    assert len(chain.latents) == count + 1


def test_nodes_may_be_fractional_timesteps(schedule):
    chain = Inverter(schedule).ddim(LinearModel(schedule), CLEAN, [10.5, 600.25])
    assert chain.sigmas == tuple(schedule.sigma(t) for t in (0, 10.5, 600.25))


def test_on_a_card_that_is_full_parallel_takes_fewer_levels_to_a_call(schedule):
    model, heard = LinearModel(schedule), []

    def full(z, t):
        if len(z) > 2:
            raise torch.cuda.OutOfMemoryError
        return model(z, t)

    @contextlib.contextmanager
    def hearing(levels):
        heard.append(len(levels))
        yield

    sigmas = [schedule.sigma(t) for t in (100, 300, 500, 700, 900)]
    chain = prepare_chain(Settings(inversion="parallel"), Inverter(schedule), full, CLEAN, sigmas, hearing)
    wanted = Inverter(schedule).one_pass(model, CLEAN, sigmas, window=2)
    assert torch.equal(torch.cat(chain.latents), torch.cat(wanted.latents)) and heard == [3, 2, 2, 1]
    with pytest.raises(torch.cuda.OutOfMemoryError):
        prepare_chain(Settings(inversion="one pass"), Inverter(schedule), broken, CLEAN, sigmas)


def broken(z, t):
    raise torch.cuda.OutOfMemoryError


@pytest.mark.parametrize(("kind", "total"), [("DDIM", 6), ("refined", 18), ("one pass", 7)])
def test_progress_is_told_after_every_call(schedule, kind, total):
    told = []
    inverter = Inverter(schedule, progress=lambda *step: told.append(step))
    prepare_chain(Settings(inversion=kind, nodes=6), inverter, LinearModel(schedule), CLEAN)
    assert told == [(done, total) for done in range(1, total + 1)]


@pytest.mark.parametrize(("kind", "total"),
                         [("DDIM", 4), ("refined", 12), ("one pass", 5), ("parallel", 3)])
def test_an_interrupt_before_any_call_stops_the_inversion_there(schedule, kind, total):
    for last in range(total):
        model = LinearModel(schedule)
        inverter = Inverter(schedule, interrupted=lambda m=model, n=last: len(m.calls) == n)
        with pytest.raises(Interrupted):
            prepare_chain(Settings(inversion=kind, nodes=4), inverter, model, CLEAN)
        assert len(model.calls) == last


@pytest.mark.parametrize("iterations", [0, 2])
def test_a_v_model_gives_the_chain_of_its_eps_model(schedule, iterations):
    chains = [Inverter(schedule, kind).refined(LinearModel(schedule, kind), CLEAN, ddim_nodes(20), iterations)
              for kind in ("eps", "v")]
    errors = [relative_error(v, eps) for eps, v in zip(*(chain.latents for chain in chains), strict=True)]
    assert max(errors) < 1e-5


def test_windows_of_a_v_model_give_the_chain_of_its_eps_model(schedule):
    sigmas = [schedule.sigma(t) for t in ddim_nodes(7)]
    chains = [Inverter(schedule, kind).one_pass(LinearModel(schedule, kind), CLEAN, sigmas, window=3)
              for kind in ("eps", "v")]
    errors = [relative_error(v, eps) for eps, v in zip(*(chain.latents for chain in chains), strict=True)]
    assert max(errors) < 1e-5


def test_refining_to_a_fixed_point_is_undone_exactly(schedule):
    model, inverter = LinearModel(schedule), Inverter(schedule)
    chain = inverter.refined(model, CLEAN, ddim_nodes(20), iterations=40)
    assert relative_error(inverter.reconstruct(model, chain, ddim_nodes(20)), CLEAN) < 1e-5


def test_reconstruction_calls_the_nodes_downwards_from_the_noisiest_latent(schedule):
    chain, model = Inverter(schedule).ddim(LinearModel(schedule), CLEAN, ddim_nodes(5)), LinearModel(schedule)
    Inverter(schedule).reconstruct(model, chain, ddim_nodes(5))
    assert [t for _, t in model.calls] == ddim_nodes(5)[::-1]
    assert torch.equal(model.calls[0][0], chain.shown(schedule)(chain.sigmas[-1]))


def test_reconstruction_error_is_relative_l2_and_psnr():
    error = reconstruction_error(CLEAN, 1.1 * CLEAN)
    assert error.latent == pytest.approx(0.1, rel=1e-5) and error.psnr is None
    flat = torch.zeros(1, 3, 8, 8)
    assert reconstruction_error(flat + 1, flat + 0.8, lambda z: z).psnr == pytest.approx(20.0, abs=1e-4)
    assert reconstruction_error(CLEAN, CLEAN, lambda z: z).psnr == float("inf")


def test_renoise_lies_on_the_picture_plus_sigma_times_one_noise(schedule):
    noise = randn(1, 4, 4, 4, seed=2)
    chain = Inverter(schedule).renoise(CLEAN, noise)
    for t in (0, 1, 100.5, 500, 981, 999):
        assert relative_error(chain.at(schedule.sigma(t)), CLEAN + schedule.sigma(t) * noise) < 1e-5, t


def test_the_fixed_noise_is_the_same_for_every_picture_of_a_size():
    assert torch.equal(fixed_noise(CLEAN), fixed_noise(2 * CLEAN))
    assert abs(float(fixed_noise(torch.zeros(1, 4, 64, 64)).std()) - 1) < 0.02


@pytest.fixture(scope="module")
def golden():
    case = load_case(DATA / "case_imgvar_strat4of10.safetensors")
    return case.tensors["inversion.chain"].flip(0), case.tensors["text.inversion"]


def official_loop(model, schedule, latent, timestep_of=lambda low, high: high, first_abar=None):
    """The official inversion, with its two easily mistaken choices open."""
    levels, latents = [0, *ddim_nodes(10)], [latent]
    for low, high in pairwise(levels):
        here, there = first_abar if low == 0 and first_abar else schedule.abar(low), schedule.abar(high)
        eps = model(latents[-1], timestep_of(low, high))
        clean = (latents[-1] - (1 - here) ** 0.5 * eps) / here**0.5
        latents.append(there**0.5 * clean + (1 - there) ** 0.5 * eps)
    return torch.cat(latents)


WRONG = {"source timestep": dict(timestep_of=lambda low, high: low), "clean latent at abar 1": dict(first_abar=1.0)}


@pytest.mark.parametrize("variant", WRONG)
def test_wrong_variants_of_the_inversion_miss_the_golden_chain(tiny, golden, variant):
    latents, text = golden
    model = as_model(plain_pass(tiny.unet, text))
    assert (official_loop(model, tiny.schedule, latents[:1]) - latents).abs().max() < 1e-5
    assert (official_loop(model, tiny.schedule, latents[:1], **WRONG[variant]) - latents).abs().max() > 1e-3


def test_refined_inversion_cuts_the_reconstruction_error_at_20_nodes_to_a_tenth(tiny, golden):
    latents, text = golden
    model, inverter, nodes = as_model(plain_pass(tiny.unet, text)), Inverter(tiny.schedule), ddim_nodes(20)
    errors = [reconstruction_error(latents[:1], inverter.reconstruct(model, chain, nodes)).latent
              for chain in (inverter.ddim(model, latents[:1], nodes), inverter.refined(model, latents[:1], nodes))]
    assert errors[1] < 0.1 * errors[0], errors


@pytest.mark.parametrize(("kind", "share"), [("one pass", 0.1), ("parallel", 0.7)])
def test_one_pass_inversions_are_closer_than_ddim_at_the_same_price(tiny, golden, kind, share):
    latents, text = golden
    model, inverter, nodes = as_model(plain_pass(tiny.unet, text)), Inverter(tiny.schedule), ddim_nodes(20)
    sigmas = [tiny.schedule.sigma(t) for t in nodes]
    ddim, one_pass = (prepare_chain(Settings(inversion=kind, nodes=20), inverter, model, latents[:1], sigmas)
                      for kind in ("DDIM", kind))
    errors = [reconstruction_error(latents[:1], inverter.reconstruct(model, chain, nodes)).latent
              for chain in (ddim, one_pass)]
    assert errors[1] < share * errors[0], errors


@pytest.mark.parametrize("kind", ["DDIM", "refined", "one pass", "parallel"])
def test_an_inversion_that_comes_to_nan_is_refused(schedule, kind):
    linear = LinearModel(schedule)

    def spoiled(z, t):
        return linear(z, t) * (float("nan") if float(torch.as_tensor(t).max()) > 200 else 1)

    with pytest.raises(CannotAct, match="the inversion of the image prompt came to NaN"):
        prepare_chain(Settings(inversion=kind, nodes=6), Inverter(schedule), spoiled, CLEAN)
