"""The kit for a machine with a GPU: it runs where there is almost nothing else, and what it found is never lost."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from benchmarks.device.__main__ import main
from benchmarks.device.cases import BASE, CASES, REHEARSAL
from benchmarks.device.report import Report
from benchmarks.device.running import run
from benchmarks.device.unet import SD15, SDXL, TINY, UNet, random_unet
from embedded.environment import ROOT
from lib_indetail.attention.layers import self_attention_layers

CPU = torch.device("cpu")
ALLOWED = ("torch", "numpy", "einops", "safetensors", "lib_indetail", "benchmarks", "embedded", "__main__")
BARE = f"""
import importlib.abc, runpy, sys, torch

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in {ALLOWED!r} and name not in sys.modules:
            raise ModuleNotFoundError(f"this machine has no {{name}}", name=name)

sys.meta_path.insert(0, Missing())
sys.argv = ["benchmarks.device", "--tiny", "--output", sys.argv[1]]
runpy.run_module("benchmarks.device", run_name="__main__")
"""


def test_it_runs_where_there_is_nothing_but_torch(tmp_path):
    done = subprocess.run([sys.executable, "-c", BARE, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "results.json").read_text())["cases"]
    assert [case["case"] for case in found] == [case.name for case in REHEARSAL]
    assert [case["failed"] for case in found] == [""] * len(found)
    assert all(case["checks"]["finite"] == "yes" for case in found)
    assert all(case["checks"]["uncond rows"] == "the same bits" for case in found)
    assert not any(case["checks"]["cond rows"] == "changed by 0" for case in found)
    told = (tmp_path / "results.md").read_text()
    assert "a CPU, as a rehearsal" in told and "The whole run took" in told


def test_each_arm_sends_its_rows_through_the_unet():
    ran = run(replace(REHEARSAL[0], dtype=torch.float32), CPU, 3, 60)
    assert ran.failed == ""
    assert ran.rows == {"plain": 6, "default": 10, "warm": 6, "cold, DDIM": 12, "cold, one pass": 10, "no bank": 9,
                        "reference_only's rule": 9}
    assert {len(each) for each in ran.seconds.values()} == {3} and ran.bank_bytes > 0


def test_half_precision_is_compared_with_full():
    checks = run(REHEARSAL[0], CPU, 2, 60).checks
    plain, reading = (float(checks[f"error of half precision, {name}"]) for name in ("plain", "reading"))
    assert 0 < plain < 0.02 and 0 < reading < 0.02


def test_what_a_case_raises_ends_that_case_alone(tmp_path):
    report = Report(tmp_path, CPU, 2)
    for case in (replace(REHEARSAL[0], cells=3), replace(REHEARSAL[0], dtype=torch.float32)):
        report.add(run(case, CPU, 2, 60))
        assert len(json.loads((tmp_path / "results.json").read_text())["cases"]) == len(report.sections)
    assert "it ended early: RuntimeError" in report.sections[0] and "it ended early" not in report.sections[1]


def test_when_the_time_is_over_a_case_is_left_out_and_named(tmp_path, capsys):
    main(["--tiny", "--output", str(tmp_path), "--limit", "0"])
    told = (tmp_path / "results.md").read_text()
    assert told.count("It was left out, since the time was over.") == len(REHEARSAL)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so():
    with pytest.raises(SystemExit, match="There is no GPU here; --tiny rehearses on a CPU"):
        main([])


def test_the_base_case_comes_first_and_each_other_one_varies_a_factor():
    assert CASES[0] is BASE and (BASE.shape, BASE.cells, BASE.batch, BASE.dtype) == (SDXL, 128, 1, torch.float16)
    assert len({case.name for case in CASES}) == len(CASES)
    assert {case.mask for case in CASES} == {"", "hard", "soft"} and {case.batch for case in CASES} == {1, 4}


@pytest.mark.parametrize(("shape", "millions", "decoder", "every"), [(SD15, 859.5, 9, 16), (SDXL, 2566, 36, 70)])
def test_the_unets_have_the_shapes_of_the_real_ones(shape, millions, decoder, every):
    with torch.device("meta"):
        unet = UNet(shape)
    assert sum(part.numel() for part in unet.parameters()) / 1e6 == pytest.approx(millions, rel=0.001)
    assert len(self_attention_layers(unet)) == decoder and len(self_attention_layers(unet, "all")) == every


def test_a_random_unet_keeps_the_size_of_what_goes_through():
    made = random_unet(TINY, CPU, torch.float32)(torch.randn(2, 4, 16, 16), torch.tensor([501, 501]),
                                                 torch.randn(2, 77, TINY.context))
    assert made.shape == (2, 4, 16, 16) and 0.1 < float(made.std()) < 10
