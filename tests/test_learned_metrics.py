"""CLIP's and DINO's figures, with small random networks in the layout of the real ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.quality.checkpoint import Case, cases, scripts, table
from benchmarks.quality.learned import Clip, Dino
from tests.learned import PATCH, SIZE, save_clip, save_dino


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 48, 3), np.uint8))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return Clip(save_clip(tmp_path_factory.mktemp("clip")))


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    return Dino(save_dino(tmp_path_factory.mktemp("dino")))


def test_a_picture_is_aligned_with_itself_and_less_with_another(clip):
    same, mixed = (clip.figures(made, noise(1), "a cat") for made in ([noise(1)], [noise(1), noise(2)]))
    assert same["CLIP-I"] == pytest.approx(1, abs=1e-5) and mixed["CLIP-I"] < 1 - 1e-4
    assert -1 <= same["CLIP-T"] <= 1 and clip.figures([noise(1)], noise(2), "a dog " * 90)["CLIP-T"] != same["CLIP-T"]


def test_structure_is_the_self_similarity_of_the_last_layers_keys(dino):
    similarity = dino.structure([noise(1), noise(2)])
    tokens = (SIZE // PATCH) ** 2 + 1
    assert similarity.shape == (2, tokens, tokens)
    assert torch.allclose(similarity.diagonal(dim1=1, dim2=2), torch.ones(2, tokens), atol=1e-5)
    expected = float((similarity[0] - similarity[1]).square().mean())
    found = dino.figures([noise(2), noise(2)], noise(1))
    assert found["structure from the image prompt"] == pytest.approx(expected, rel=1e-4)
    assert found["structure between noises"] == pytest.approx(0, abs=1e-10)
    assert dino.figures([noise(2), noise(1)], noise(1))["structure between noises"] == pytest.approx(expected, rel=1e-4)


def test_every_picture_meets_every_prompt(tmp_path):
    (tmp_path / "prompts.txt").write_text("a cat\n\n a dog \n")
    noise(1).save(tmp_path / "b.png")
    noise(2).save(tmp_path / "a.png")
    found = cases(tmp_path, tmp_path / "prompts.txt")
    assert [(case.picture.stem, case.prompt) for case in found] == [
        ("a", "a cat"), ("a", "a dog"), ("b", "a cat"), ("b", "a dog")]
    names = {path for case in found for path in case.results(tmp_path, "text only", range(3)).values()}
    assert len(names) == 12
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match="0 image prompts"):
        cases(tmp_path / "empty", tmp_path / "prompts.txt")


def test_a_row_says_how_few_results_it_has():
    rows = [{"CLIP-I": 0.5}, {"CLIP-I": 0.7}]
    assert "8 results a row. That is few" in table({"text only": rows}, 8)
    assert "200 results a row.\n" in table({"text only": rows}, 200) and "| text only | 0.6000 ± " in table(
        {"text only": rows}, 200)


def test_only_the_peers_arm_asks_for_controlnet(tmp_path):
    noise(1).save(tmp_path / "a.png")
    assert scripts("text only", tmp_path / "a.png") == {}
    assert list(scripts("most detail", tmp_path / "a.png")) == ["InDetail"]
    unit, = scripts("reference_only, fidelity 1", tmp_path / "a.png")["controlnet"]["args"]
    assert (unit["module"], unit["threshold_a"]) == ("reference_only", 1.0)
    assert Case(tmp_path / "a.png", "x", 0).results(tmp_path, "y", [7])[7].name == "a-0-7.png"
