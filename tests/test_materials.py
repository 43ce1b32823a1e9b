"""Named silhouettes filled with photographed materials: what may be in them, what is held out, how they are drawn."""

from __future__ import annotations

import csv
import json
import re

import pytest
import torch
from safetensors import safe_open

from embedded.checkpoint import CHECKPOINT, load_model
from embedded.materials.autoencoder import SIZES
from embedded.materials.composite import CONTRAST, ZOOMS, draw
from embedded.materials.judge import inside_mask, seen_through
from embedded.materials.measure import trials
from embedded.materials.parts import MOST_BYTES, SHEET, WEIGHTS, join, load_judge
from embedded.materials.sampling import Lots, captions
from embedded.materials.stage import Clock
from embedded.materials.stock import GRAIN, HERE, SIDE, grain_of, load
from embedded.train_materials import main

CPU = torch.device("cpu")
ALLOWED = re.compile(r"GPL-2\+|GPL-3\+|public domain|CC-BY-3\.0|CC-BY-4\.0|Apache-2\.0", re.I)


@pytest.fixture(scope="module")
def stock():
    return load(CPU)


def rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def lot(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_tile_and_silhouette_has_a_licence_that_may_be_used_and_stands_in_the_attribution():
    told = (HERE / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for table in ("tiles.csv", "silhouettes.csv"):
        for row in rows(table):
            assert ALLOWED.fullmatch(row["licence"]), row
            assert f"| {row['name']} |" in told, row["name"]


def test_the_files_are_those_of_the_tables_and_small():
    tiles, icons = ({path.stem for path in (HERE / folder).iterdir()} for folder in ("tiles", "silhouettes"))
    assert tiles == {row["name"] for row in rows("tiles.csv")} and len(tiles) >= 200
    assert icons == {row["name"].replace(" ", "-") for row in rows("silhouettes.csv")} and len(icons) >= 85
    assert sum(path.stat().st_size for path in HERE.rglob("*") if path.suffix in (".webp", ".png")) <= 2.5e6


def test_about_forty_tiles_are_held_out_by_family(stock):
    families = {family for family, unseen in zip(stock.families, stock.unseen.tolist(), strict=True) if unseen}
    assert 36 <= int(stock.unseen.sum()) <= 44
    assert not families & {family for family, unseen in zip(stock.families, stock.unseen.tolist(), strict=True)
                           if not unseen}


@pytest.mark.parametrize("batch", [1, 3, 12, 24])
def test_of_two_pictures_of_a_material_never_both_go_through_the_autoencoder(batch):
    first, second = torch.zeros(2 * batch, dtype=torch.bool).index_fill(
        0, torch.arange(2 * batch)[seen_through(batch)], True).chunk(2)
    assert not (first & second).any() and second.any()
    assert batch < 2 or not second.all()


def test_training_meets_no_held_out_material_and_no_held_out_pair(stock):
    lots = Lots(stock)
    tiles, shapes, others = lots.couples(20_000, lot())
    assert not stock.unseen[tiles].any()
    assert not lots.is_held_out(tiles, shapes).any()
    beside = others >= 0
    assert not lots.is_held_out(tiles[beside], others[beside]).any() and (shapes != others).all()
    assert 0.27 < float(beside.float().mean()) < 0.33
    assert set(shapes.tolist()) == set(range(len(stock.shapes)))
    everything = torch.cartesian_prod(torch.arange(len(stock.tiles)), torch.arange(len(stock.shapes))).T
    assert 0.08 < float(lots.is_held_out(*everything).float().mean()) < 0.12


def test_a_seed_gives_the_same_pictures_and_another_one_others(stock):
    numbers = torch.tensor([0, 50, 100]), torch.tensor([3, 4, 5])
    first, second, third = (draw(stock, *numbers, lot(seed)).pictures for seed in (1, 1, 2))
    assert torch.equal(first, second) and (first - third).abs().mean() > 0.05
    assert first.shape == (3, 3, SIDE, SIDE) and first.min() >= 0 and first.max() <= 1


def test_a_shape_stands_out_from_its_background(stock):
    lots, at = Lots(stock), lot(3)
    tiles, shapes = lots.seen(40, at)
    drawn = draw(stock, tiles, shapes, at, plain=1.0)
    inside = (drawn.pictures * drawn.inside).sum((2, 3)) / drawn.inside.sum((2, 3))
    corners = drawn.pictures[..., :8, :8].mean((2, 3))
    assert float(((inside - corners).abs().amax(1) > CONTRAST / 2).float().mean()) >= 0.95
    found = inside_mask(drawn.pictures * 2 - 1)
    overlap = (found * drawn.inside).sum((1, 2, 3)) / torch.maximum(found, drawn.inside).sum((1, 2, 3))
    assert float(overlap.median()) > 0.7


def test_two_silhouettes_share_a_material(stock):
    at = lot(4)
    drawn = draw(stock, torch.arange(0, 60, 3), torch.arange(20), at, (torch.arange(20) + 7) % len(stock.shapes))
    inside = drawn.inside > 0.9
    left, right = ((drawn.pictures[..., part] * inside[..., part]).sum((2, 3))
                   / inside[..., part].sum((2, 3)).clamp_min(1) for part in (slice(0, 128), slice(128, 256)))
    apart = (left - right).abs().amax(1)
    others = (left - right.roll(1, 0)).abs().amax(1)
    assert float(apart.median()) < 0.12 < float(others.median())


def test_the_grain_of_what_is_seen_is_coarse(stock):
    tiles = torch.arange(0, len(stock.tiles), 9)
    drawn = draw(stock, tiles, torch.zeros_like(tiles), lot(5))
    coarsest = stock.grain * SIDE / ZOOMS[0]
    assert float((coarsest >= GRAIN).float().mean()) > 0.8 and float((coarsest >= 8).float().mean()) > 0.95
    assert drawn.pictures.isfinite().all()
    waves = torch.sin(torch.arange(SIDE) * 2 * torch.pi / 32).expand(1, 3, SIDE, SIDE)
    assert float(grain_of(waves)) == pytest.approx(16, abs=0.5)


def test_captions_name_silhouettes_and_never_a_material(stock):
    shapes = torch.arange(len(stock.shapes))
    said = captions(stock, shapes, (shapes + 1) % len(shapes), lot(6))
    assert 0 < said.count("") < 30
    words = set(" ".join(said).split())
    assert not words & {"brick", "wood", "wooden", "stone", "metal", "marble", "grass", "dotted", "striped"}
    assert any(" and " in each for each in said)


def test_a_trial_asks_for_another_silhouette_of_an_unseen_material(stock):
    found = trials(stock, 6)
    assert found.prompts.shape == found.targets.shape == (6, 3, SIDE, SIDE)
    assert len(set(found.shapes.tolist())) > 1


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("materials")
    main(["--rehearse", "--minutes", "0.01", "--work", str(folder / "work"), "--output", str(folder / "parts")])
    return folder


def test_a_rehearsal_goes_through_every_stage(rehearsed):
    for stage in ("vae", "unet", "control", "judge"):
        lines = [json.loads(line) for line in (rehearsed / "work" / f"{stage}.jsonl").read_text().splitlines()]
        assert lines[-1]["step"] == 2 and lines[-1]["loss"] > 0
        assert (rehearsed / "work" / f"{stage}.pt").exists()


def test_what_it_gives_can_travel(rehearsed):
    files = {path.name: path.stat().st_size for path in (rehearsed / "parts").iterdir()}
    assert set(files) == {f"{name}.safetensors" for name in WEIGHTS} | {SHEET}
    assert max(files.values()) < MOST_BYTES and sum(files.values()) < 64 * 2**20


def test_joined_it_is_a_checkpoint_as_the_embedded_one_is(rehearsed, embedded, stock):
    checkpoint, config, tower, control = join(rehearsed / "parts", rehearsed / "models")
    assert checkpoint.stat().st_size <= 36e6 and control.exists() and (tower / "vocab.json").exists()
    with safe_open(checkpoint, "pt") as ours, safe_open(CHECKPOINT, "pt") as known:
        keys, wanted = set(ours.keys()), set(known.keys())
    assert {key for key in keys if key.startswith(("model.", "cond_"))} == {
        key for key in wanted if key.startswith(("model.", "cond_"))}
    params = json.loads(config.read_text())["model"]["params"]
    assert params["first_stage_config"]["params"]["ddconfig"]["ch_mult"] == [1, 2, 3, 3]
    model = load_model(checkpoint, vae=SIZES)
    assert model.decode(torch.zeros(1, 4, 32, 32)).shape == (1, 3, SIDE, SIDE)
    judge, about = load_judge(rehearsed / "parts")
    assert about["shapes"] == list(stock.shapes) and set(about["losses"]) == {"vae", "unet", "control", "judge"}
    assert torch.allclose(judge(torch.zeros(2, 3, SIDE, SIDE))[1].norm(dim=1), torch.ones(2), atol=1e-4)


def test_a_clock_runs_by_steps_or_by_seconds():
    steps = Clock(steps=4)
    assert [setattr(steps, "step", n) or steps.progress for n in (0, 2, 4, 9)] == [0, 0.5, 1, 1]
    assert Clock(1e-9).progress == 1 and Clock(3600).progress < 0.01
