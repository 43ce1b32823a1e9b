"""What the demo says about bad values, before anything is computed."""

from __future__ import annotations

import pytest
from PIL import Image

from embedded import demo


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.new("RGB", (40, 30), "red").save(path)
    return str(path)


def complaint(*arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        demo.main(list(arguments))
    assert isinstance(caught.value.code, str)
    return caught.value.code


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--lambda", "2"], "Lambda must be a number from 0.0 to 1.0, not 2.0."),
    (["--lambda", "much"], "Lambda must be a number from 0.0 to 1.0, not 'much'."),
    (["--strength", "nan"], "Strength must be a number from 0.0 to 1.0, not nan."),
    (["--nodes", "0"], "Inversion nodes must be a whole number from 1 to 500, not 0.0."),
    (["--blocks", "some"], "Blocks must be one of decoder, middle and decoder, all, not 'some'."),
    (["--task", "magic"], "Task must be one of image variation, structure-guided, cross-prompt, not 'magic'."),
    (["--start", "0.8", "--end", "0.2"], "Start must be less than End, but they are 0.8 and 0.2."),
    (["--count", "0"], "--count must be 1 to 16, not 0."),
    (["--steps", "1"], "--steps must be 2 to 200, not 1."),
    (["--cfg", "nan"], "--cfg must be 1 to 30, not nan."),
])
def test_a_bad_value_gets_one_sentence(picture, arguments, sentence):
    assert complaint("--image", picture, *arguments) == sentence


def test_a_missing_picture_is_named(tmp_path):
    assert complaint("--image", str(tmp_path / "none.png")) == f"There is no picture at {tmp_path / 'none.png'}."


def test_a_checkout_without_weights_is_told_how_to_make_them(picture, monkeypatch, tmp_path):
    monkeypatch.setattr("embedded.demo.CHECKPOINT", tmp_path / "none.safetensors")
    assert "python -m embedded.train" in complaint("--image", picture)


def test_a_prompt_without_a_picture_is_refused():
    assert complaint("--prompt", "a star") == "--prompt and --task need --image, the picture to take the details from."


def test_a_persons_picture_gives_a_sheet(embedded, picture, tmp_path, capsys):
    demo.main(["--image", picture, "--prompt", "a star", "--count", "1", "--steps", "2", "--nodes", "2",
               "--lambda", "0.7", "--outputs", str(tmp_path / "out")])
    assert (tmp_path / "out" / "own.png").stat().st_size > 1000
    assert demo.SMALL_MODEL in capsys.readouterr().out
