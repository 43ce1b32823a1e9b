"""The examples of docs/api.md are run as they stand there, only smaller."""

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

from tests.webui.host import encoded

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLES = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "{url}" in block]
SMALL = {"txt2img": {"width": 128, "height": 128, "steps": 4}, "invert": {"width": 128, "height": 128}}


def requests_module(host) -> types.ModuleType:
    """What the examples use of the requests package."""
    def call(method: str):
        def ask(url: str, json=None):
            body = None if json is None else dumped({**SMALL.get(url.rsplit("/", 1)[1], {}), **json})
            status, answer = host._ask(urllib.request.Request(
                url, body, {"Content-Type": "application/json"}, method=method))
            assert status == 200, answer
            return types.SimpleNamespace(json=lambda: answer)

        return ask

    module = types.ModuleType("requests")
    module.get, module.post, module.put, module.delete = map(call, ("GET", "POST", "PUT", "DELETE"))
    return module


def dumped(value) -> bytes:
    return json.dumps(value).encode()


@pytest.fixture
def names(host, picture, other, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("picture.png").write_bytes(base64.b64decode(picture))
    monkeypatch.setitem(sys.modules, "requests", requests_module(host))
    yield {"mask": encoded(Image.new("L", (8, 8), 128)), "another": other, "unwanted": picture}
    (host.folder / "indetail_presets.json").unlink()


def test_all_examples_run_in_their_order(host, names):
    assert len(EXAMPLES) == 7
    made = []
    for example in EXAMPLES:
        exec(example.replace("http://127.0.0.1:7860", host.url), names)
        made.append(names["answer"]["images"])
        names.setdefault("infotext", json.loads(names["answer"]["info"])["infotexts"][0])
    assert "InDetail task: cross-prompt" in names["infotext"]
    assert Image.open(io.BytesIO(base64.b64decode(made[1][0]))).width > 2 * 128
    assert made[2] != made[0] and made[4] == made[0]
    assert len(made[3]) == 3 + 1 and len(set(made[3])) == 4
    assert len(made[5]) == 4
    assert names["seen"]["psnr"] > 20
    assert host.get("/indetail/cache")[1]["inversions"] == 0
