"""The README's examples of the API are run as they stand there."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
import types
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
EXAMPLES = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "{url}" in block]


def requests_module(host) -> types.ModuleType:
    """What the examples use of the requests package."""
    def call(method: str):
        def ask(url: str, json=None):
            status, answer = host._ask(urllib.request.Request(
                url, None if json is None else dumped(json), {"Content-Type": "application/json"}, method=method))
            assert status == 200, answer
            return types.SimpleNamespace(json=lambda: answer)

        return ask

    module = types.ModuleType("requests")
    module.get, module.post, module.delete = call("GET"), call("POST"), call("DELETE")
    return module


def dumped(value) -> bytes:
    return json.dumps(value).encode()


@pytest.fixture
def names(host, picture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("picture.png").write_bytes(base64.b64decode(picture))
    monkeypatch.setitem(sys.modules, "requests", requests_module(host))
    return {}


def test_all_examples_run_in_their_order(host, names):
    assert len(EXAMPLES) == 4
    pictures = []
    for example in EXAMPLES:
        exec(example.replace("http://127.0.0.1:7860", host.url), names)
        pictures.append(names["answer"]["images"])
        names["infotext"] = json.loads(names["answer"]["info"])["infotexts"][0]
    text = Image.open(io.BytesIO(base64.b64decode(pictures[0][0]))).info["parameters"]
    assert "InDetail task: cross-prompt" in text
    assert Image.open(io.BytesIO(base64.b64decode(pictures[1][0]))).width > 2 * 512
    assert names["seen"]["psnr"] > 20
    assert host.get("/indetail/cache")[1]["inversions"] == 0
