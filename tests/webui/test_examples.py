"""The clients in examples/ against the real WebUI."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.webui.test_xyz import same

ROOT = Path(__file__).parents[2]
LAMBDAS = ("0.2", "0.8")


@pytest.fixture
def folders(tmp_path, picture):
    pictures = tmp_path / "my pictures"
    pictures.mkdir()
    (pictures / "a circle.png").write_bytes(base64.b64decode(picture))
    (pictures / "broken.png").write_bytes(b"no picture")
    return pictures, tmp_path / "results"


def python(host, pictures, results) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, ROOT / "examples" / "sweep.py", pictures, results, "--url", host.url,
                           "--prompt", 'a "star"', "--lambdas", *LAMBDAS, "--steps", "4", "--size", "128", "--seed",
                           "7"], capture_output=True, text=True)


def shell(host, pictures, results) -> subprocess.CompletedProcess:
    if not all(map(shutil.which, ("sh", "curl", "base64", "sed"))):
        pytest.skip("NOT RUN: no curl")
    settings = {"PROMPT": 'a "star"', "LAMBDAS": " ".join(LAMBDAS), "STEPS": "4", "SIZE": "128", "SEED": "7"}
    return subprocess.run(["sh", ROOT / "examples" / "sweep.sh", pictures, results, host.url], capture_output=True,
                          text=True, env={**os.environ, **settings})


@pytest.mark.parametrize("client", [python, shell])
def test_a_sweep_makes_every_picture_at_every_lambda_and_names_what_it_cannot_use(host, picture, folders, client):
    done = client(host, *folders)
    wanted = [folders[1] / f"a circle-lambda-{each}.png" for each in LAMBDAS]
    assert done.stdout.splitlines() == [str(path) for path in wanted], done.stderr
    assert (done.returncode, done.stderr) == (1, "broken.png: The image is not a picture that can be read.\n")
    assert sorted(folders[1].iterdir()) == wanted
    for path, each in zip(wanted, LAMBDAS, strict=True):
        made, = host.make(indetail={"image": picture, "lambda_image": float(each)}, prompt='a "star"', steps=4,
                          cfg_scale=7)
        assert same(path.read_bytes(), made)


@pytest.mark.parametrize("client", [python, shell])
def test_a_sweep_of_good_pictures_ends_well(host, folders, client):
    (folders[0] / "broken.png").unlink()
    done = client(host, *folders)
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 2)
