"""Attention interpolation is its authors': their cases are replayed through the product's path, and what is wrong on
purpose is seen to be wrong."""

from __future__ import annotations

import copy

import pytest
import torch

from lib_indetail.attention.origins import OfRow
from lib_indetail.attention.rows import Row
from lib_indetail.attention.sites import Where
from lib_indetail.methods import interpolation
from lib_indetail.methods.interpolation import Between, Interpolation, Phases, between
from lib_indetail.noise.slerp import slerp
from tests import paid
from tests.official import Case, golden_model
from tests.paid import error, interpolate
from tests.paid_cases import CASES, GOLDEN, SLERP, golden_case, golden_files
from tests.sgm_unet import sdxl_model

EULER = "case_wide_euler_fused_outer_guide"
FINAL = "final.latents", "frames.latents", "explored.latents"


@pytest.fixture(scope="module")
def model():
    return golden_model()


def final(case: Case) -> torch.Tensor:
    return next(case.tensors[name] for name in FINAL if name in case.tensors)


def check(made, case: Case) -> None:
    assert error(made.latents, final(case)) < 1e-4
    for step, rows in ((int(key.removeprefix("unet.cond.step")), value) for key, value in case.tensors.items()
                       if key.startswith("unet.cond.step")):
        assert error(made.unet[step][0], rows) < (1e-5 if step == 0 else 1e-4)
    for key, value in (("sampling.latents_after_step", made.after_step), ("sampling.noise_guided", made.noise_guided)):
        if key in case.tensors:
            assert max(error(*pair) for pair in zip(value, case.tensors[key], strict=True)) < 1e-4
    if "latents.rows_initial" in case.tensors and case.meta["scheduler"] == "ddim":
        assert error(made.started, case.tensors["latents.rows_initial"]) < 1e-6
    if "explored.xs" in case.tensors:
        assert made.xs == pytest.approx(case.tensors["explored.xs"].tolist(), abs=1e-4)
        assert made.path == case.meta["path"]


@pytest.mark.parametrize("name", [name for name in CASES if "quirk" not in name])
def test_cases_are_the_authors(model, name):
    check(interpolate(model, CASES[name]), CASES[name])


@pytest.mark.parametrize("name", [name for name in CASES if "quirk" in name])
def test_a_slip_of_the_authors_is_not_copied(model, name):
    assert error(interpolate(model, CASES[name]).latents[1], final(CASES[name])[1]) > 1e-2


@pytest.mark.skipif(GOLDEN is None, reason="NOT RUN: INDETAIL_GOLDEN names no folder of whole cases (SDXL among them)")
def test_whole_cases_are_the_authors(model):
    files = golden_files()
    assert any(path.name.startswith("sdxl_") for path in files)
    sdxl = sdxl_model(files[0].parent / "tiny_sdxl_unet_ldm.fp16.safetensors")
    for path in files:
        case = golden_case(path)
        if "quirk" not in path.name:
            check(interpolate(sdxl if case.meta["kind"] == "sdxl" else model, case), case)


def test_a_kind_that_is_not_known_is_named(model):
    with pytest.raises(ValueError, match="there is no kind 'bayes'"):
        interpolate(model, Case({}, {"kind": "bayes"}))


@pytest.mark.parametrize("t", [0.3, 0.5, 0.8])
def test_slerp_is_the_authors_row_by_row(t):
    assert error(slerp(SLERP["slerp.a"], SLERP["slerp.b"], t), SLERP[f"slerp.t{t}"]) < 1e-6
    assert error(slerp(SLERP["slerp.a"], SLERP["slerp.a"], t), SLERP[f"slerp.same.t{t}"]) < 1e-6


def test_slerp_of_texts_is_the_authors():
    assert error(slerp(SLERP["slerp.emb.a"], SLERP["slerp.emb.b"], 0.3), SLERP["slerp.emb.t0.3"]) < 1e-6


def with_meta(**changes):
    return lambda patch, case: case.meta.update(changes)


def at_sites(*where):
    return lambda patch, case: patch.setattr(interpolation, "EVERYWHERE", where)


def with_start(way):
    """Another way between the ends' noises."""
    return lambda patch, case: patch.setattr(interpolation, "slerp", way)



class OfUncondToo(Interpolation):
    def __init__(self, *args):
        super().__init__(*args)
        self.read_rows |= {Row("uncond", row.image) for row in self.read_rows}

    def plan(self, u, row, site):
        each = self._strip[row.image]
        if row.role == "cond" or row.image in (each.first, each.last):
            return super().plan(u, row, site)
        ends = (OfRow(Row("uncond", number)) for number in (each.first, each.last))
        return between(self._phases.at(u), *ends, each.coefficient)


def along(axis):
    return lambda a, b, t: slerp(a.transpose(axis, -1), b.transpose(axis, -1), t).transpose(axis, -1)


def whole(a, b, t):
    return slerp(a.flatten(), b.flatten(), t).view_as(a)


def swapped(patch, case):
    patch.setattr(Between, "coefficient", property(lambda self: 1 - self.t))


def unguided(patch, case):
    case.meta["guide_prompt"] = None


WRONG = {
    "one step more": with_meta(aid_steps=6), "one step fewer": with_meta(aid_steps=4), "t .49": with_meta(t=0.49),
    "pure outer": with_meta(variant="pure_outer"), "fused inner": with_meta(variant="fused_inner"),
    "pure inner": with_meta(variant="pure_inner"), "none": with_meta(variant="self"),
    "self-attention alone": at_sites(Where("self", "all")),
    "cross-attention alone": at_sites(Where("cross", "all")),
    "the decoder alone": at_sites(Where("self", "decoder"), Where("cross", "decoder")),
    "slerp of whole latents": with_start(whole), "along columns": with_start(along(-2)),
    "along channels": with_start(along(0)), "straight": with_start(torch.lerp), "no guide": unguided,
    "uncond rows too": lambda patch, case: patch.setattr(paid, "Interpolation", OfUncondToo),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_on_purpose_is_far_from_the_authors(model, monkeypatch, name):
    case = copy.deepcopy(CASES[EULER])
    WRONG[name](monkeypatch, case)
    made, wanted = interpolate(model, case).latents, final(case)
    assert error(made[1], wanted[1]) > 1e-2
    assert error(made[[0, 2]], wanted[[0, 2]]) < 1e-4


def test_coefficients_the_wrong_way_round_are_far_from_the_authors(model, monkeypatch):
    case = copy.deepcopy(CASES["case_wide_euler_fused_inner_w1_t02"])
    swapped(monkeypatch, case)
    assert error(interpolate(model, case).latents[1], final(case)[1]) > 1e-2


def changed(name: str, **meta) -> Case:
    case = copy.deepcopy(CASES[name])
    case.meta.update(meta)
    return case


def turned(case: Case) -> Case:
    """The same with its ends in each other's places."""
    tensors = dict(case.tensors)
    for kind in ("latents", "text"):
        tensors[f"{kind}.start"], tensors[f"{kind}.end"] = case.tensors[f"{kind}.end"], case.tensors[f"{kind}.start"]
    return Case(tensors, {**case.meta, "t": 1 - case.meta["t"]})


@pytest.mark.parametrize("variant", ["fused_outer", "fused_inner", "pure_outer", "pure_inner"])
def test_from_the_other_end_it_is_the_same(model, variant):
    case = changed("case_wide_fused_outer_slerptext_t03", variant=variant)
    there, back = interpolate(model, case).latents, interpolate(model, turned(case)).latents
    assert error(there, back.flip(0)) < 1e-4 and error(there[0], there[2]) > 1e-2


def test_between_an_image_and_itself_there_is_nothing_but_it(model):
    case = changed("case_wide_fused_outer_slerptext_t03")
    for kind in ("latents", "text"):
        case.tensors[f"{kind}.end"] = case.tensors[f"{kind}.start"]
    made = interpolate(model, case).latents
    assert error(made, made[:1].expand_as(made)) < 1e-4


def test_ends_are_plain_and_do_not_depend_on_what_is_between_them(model):
    plain = interpolate(model, changed(EULER, variant="self", guide_prompt=None)).latents
    for changes in ({"t": 0.2}, {"variant": "pure_inner"}, {"guide_prompt": None}, {"aid_steps": 10}):
        made = interpolate(model, changed(EULER, **changes)).latents
        assert error(made[[0, 2]], plain[[0, 2]]) < 1e-5
        assert error(made[1], plain[1]) > 1e-2


@pytest.mark.parametrize("variant", ["fused_outer", "pure_inner"])
def test_it_comes_nearer_to_an_end_with_the_coefficient(model, variant):
    far = []
    for t in (0.001, 0.01, 0.05):
        made = interpolate(model, changed("case_wide_fused_outer_slerptext_t03", t=t, variant=variant, init="linear"))
        far.append(error(made.latents[1], made.latents[0]))
    assert far[0] < 0.005 and far == sorted(far)


def test_the_text_of_a_guide_does_nothing_in_a_pure_variant_on_all_steps(model):
    guided = changed(EULER, variant="pure_outer", aid_steps=10)
    without = changed(EULER, variant="pure_outer", aid_steps=10, guide_prompt=None)
    assert torch.equal(interpolate(model, guided).latents, interpolate(model, without).latents)


def test_a_batch_is_its_frames_one_by_one(model):
    case = CASES["seq_beta6_3_inner_then_pure_outer_guide"]
    whole = interpolate(model, case).latents
    ts = interpolation_ts(case)
    for number in (1, 2):
        made = paid._sampled(model, case, [Between(0, 2, 0.0), Between(0, 2, ts[number]), Between(0, 2, 1.0)])
        assert error(made.latents[1], whole[number]) < 1e-4


def interpolation_ts(case: Case) -> list[float]:
    return paid.quantiles(case.meta["size"], paid._beta(case))


def test_of_sdxls_vector_the_pooled_text_alone_is_turned():
    """Its sizes, which stand behind, are those of both ends."""
    pooled, sizes = torch.tensor([[1.0, 0.0], [9.0, 9.0], [0.0, 1.0]]), torch.tensor([[3.0, 4.0]]).expand(3, -1)
    cond = {"crossattn": torch.randn(3, 5, 4), "vector": torch.cat([pooled, sizes], 1)}
    method = Interpolation([Between(0, 2, 0.0), Between(0, 2, 0.5), Between(0, 2, 1.0)], Phases(), blend=slerp)
    made, _ = method.rewritten(0.0, cond, None, None)
    assert made["vector"].tolist() == [[1, 0, 3, 4], pytest.approx([0.5**0.5, 0.5**0.5, 3, 4]), [0, 1, 3, 4]]
    assert torch.equal(made["crossattn"][1], slerp(cond["crossattn"][0], cond["crossattn"][2], 0.5))
