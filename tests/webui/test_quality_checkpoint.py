"""The benchmark of somebody's own checkpoint, against the real WebUI with ControlNet."""

from __future__ import annotations

import base64

import pytest

from benchmarks.quality.checkpoint import main
from lib_indetail.ask.presets import BUILT_IN
from tests.learned import save_clip, save_dino
from tests.webui.test_xyz import same

FEW = ["--seeds", "2", "--steps", "3", "--size", "128", "--cfg", "5"]
ARMS = ["text only", "reference_only, fidelity 1", "all blocks"]


@pytest.fixture
def given(tmp_path, picture):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "circle.png").write_bytes(base64.b64decode(picture))
    (tmp_path / "prompts.txt").write_text("a star\na ring\n")
    return [str(pictures), str(tmp_path / "prompts.txt"), str(tmp_path / "results")]


def test_every_arm_is_what_the_api_makes_and_nothing_is_made_twice(controlled, given, tmp_path, picture):
    controlled.options(sd_model_checkpoint="sd1.safetensors")  # reference_only needs SD 1's depth
    clip, dino = save_clip(tmp_path / "clip"), save_dino(tmp_path / "dino")
    asked = [*given, "--url", controlled.url, *FEW, "--arms", *ARMS, "--clip", str(clip), "--dino", str(dino)]
    main(asked)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "results").rglob("*.png")}
    assert len(made) == len(ARMS) * 2 * 2
    wanted, = controlled.make(indetail={"image": picture, **BUILT_IN["Cross-prompt, all blocks"].values},
                              prompt="a ring", seed=1, steps=3, width=128, height=128, cfg_scale=5,
                              sampler_name="DPM++ 2M", scheduler="Karras")
    assert same((tmp_path / "results" / "all blocks" / "circle-1-1.png").read_bytes(), wanted)
    main(asked)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "results").rglob("*.png")} == made
    table = (tmp_path / "results" / "table.md").read_text()
    assert table.startswith("4 results a row. That is few") and all(f"| {arm} | " in table for arm in ARMS)


def test_it_ends_with_the_webuis_sentence(controlled, given, tmp_path):
    (tmp_path / "pictures" / "broken.png").write_bytes(b"no picture")
    with pytest.raises(RuntimeError, match=r"^all blocks, broken\.png: The image is not a picture that can be read\.$"):
        main([*given, "--url", controlled.url, *FEW, "--arms", "all blocks"])
