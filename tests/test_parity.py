"""Parity with tensors that the authors' own code produced."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open

from embedded.model import CrossAttention, SdpaCrossAttention
from embedded.schedule import alphas_cumprod
from lib_indetail.attention.algebra import Plan, Source, Stratum, evaluate
from lib_indetail.attention.host_attention import HostAttention
from lib_indetail.attention.origins import Bank, Own
from lib_indetail.inversion.inverter import ddim_nodes
from lib_indetail.methods.plans import IMAGE, IMAGE_WITHOUT_TEXT, concatenation, replacement, stratified
from lib_indetail.noise.schedule import NoiseSchedule
from tests.official import DATA, golden_model, load_case, relative_error, replay
from tests.small import behind

UNIT = DATA / "attention_unit.safetensors"
CASES = ("case_imgvar_strat4of10", "case_concat_cond", "case_sain_all_strat4")


@pytest.fixture(scope="module")
def unit():
    with safe_open(UNIT, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, json.loads(file.metadata()["meta"])


@pytest.fixture(scope="module")
def model():
    return golden_model()


@pytest.fixture(scope="module", params=CASES)
def replayed(request, model):
    case = load_case(DATA / f"{request.param}.safetensors")
    return case, replay(case, model)


def unit_variants():
    with safe_open(UNIT, "pt") as file:
        return sorted(key for key in file.keys() if key.startswith(("strat.", "concat.", "plain.")))


def plan_of(variant: str, mask: torch.Tensor):
    """The plan and the rows of one of the official processor's variants."""
    if variant.startswith("plain"):
        return None
    phase, _, mode, rest = variant.split(".", 3)
    lambda_image = float(rest.removeprefix("lam").split(".cfg")[0].split(".nocfg")[0])
    share = lambda_image / (1 + lambda_image)

    def plan(bank: str):
        if mode == "replace":
            return replacement(bank)
        if variant.endswith("masked"):
            return Plan(Stratum((Source(Own()),)), Stratum((Source(Bank(bank)),), mask * share))
        return stratified(bank, share) if phase == "strat" else concatenation(bank)

    return plan


@pytest.mark.parametrize("attention", [CrossAttention, SdpaCrossAttention])
@pytest.mark.parametrize("variant", unit_variants())
def test_attention_unit_equals_the_official_processor(unit, variant, attention):
    tensors, meta = unit
    module = attention(meta["dim"], heads=meta["heads"], dim_head=meta["dim"] // meta["heads"]).eval()
    module.load_state_dict({k.removeprefix("attn."): v for k, v in tensors.items() if k.startswith("attn.")})
    guided = ".cfg" in variant
    x = tensors["x_cfg" if guided else "x_nocfg"]
    plan, host = plan_of(variant, tensors["mask"]), HostAttention()
    with torch.no_grad():
        image = {IMAGE: host.keys_values(module, x[3:4] if guided else x[:1]),
                 IMAGE_WITHOUT_TEXT: host.keys_values(module, x[:1])}
        result = module(x)
        groups = [(slice(3, 6), IMAGE)] if guided else [(slice(0, 3), IMAGE)]
        if guided and ".all." in variant:
            groups.append((slice(0, 3), IMAGE_WITHOUT_TEXT))
        for rows, bank in groups if plan else []:
            result[rows] = evaluate(plan(bank), behind(module, x[rows], result[rows].clone(), image))
    assert (result - tensors[variant]).abs().max() <= 1e-5


def test_the_schedule_is_the_official_one(model):
    schedule = NoiseSchedule(alphas_cumprod())
    assert all(schedule.abar(t) == pytest.approx(model.schedule.abar(t), rel=1e-5) for t in range(1000))


def test_inversion_gives_the_official_chain(replayed):
    case, result = replayed
    assert (result.chain - case.tensors["inversion.chain"]).abs().max() <= 1e-5


def test_adain_gives_the_official_noise(replayed):
    case, result = replayed
    assert (result.noise - case.tensors["latents.noise_after_adain"]).abs().max() <= 1e-5


def test_unet_rows_equal_the_official_ones(replayed):
    case, result = replayed
    stored = case.tensors["sampling.unet_output_rows.steps"].tolist()
    for step, rows in zip(stored, case.tensors["sampling.unet_output_rows"], strict=True):
        n = case.meta["num_samples"]
        expected = torch.cat([rows[1:n + 1], rows[n + 2:]])
        assert relative_error(result.unet_rows[step], expected) <= 1e-4, step


def test_latents_after_every_step_equal_the_official_ones(replayed):
    case, result = replayed
    expected = case.tensors["sampling.latents_after_step"][:, 1:]
    assert len(result.after_step) == len(expected)
    errors = [relative_error(*pair) for pair in zip(result.after_step, expected, strict=True)]
    assert max(errors) <= 1e-4, errors


def test_plain_attention_in_place_of_ours_is_no_parity(model, monkeypatch):
    monkeypatch.setattr("lib_indetail.attention.at_work.evaluate", lambda plan, call: call.entered.own())
    case = load_case(DATA / "case_imgvar_strat4of10.safetensors")
    result = replay(case, model)
    assert relative_error(result.after_step[-1], case.tensors["sampling.latents_after_step"][-1, 1:]) > 1e-2


def test_timesteps_are_the_official_ones(replayed):
    case, _ = replayed
    assert ddim_nodes(case.meta["steps"])[::-1] == case.tensors["sampling.timesteps"].tolist()
