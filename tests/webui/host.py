"""Drives a real WebUI: started by the tests with this extension, on CPU, on a free loopback port, with a data folder
of its own, and stopped by its process id. The person's own settings, models and pictures are never touched."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embedded.export import export
from embedded.files import CHECKPOINT

ROOT = Path(__file__).parents[2]
HELPER = Path(__file__).parent / "helper"
SEEDING = Path(__file__).parent / "seeding"
FAMILIES = Path(__file__).parent / "families"
FITTING = Path(__file__).parent / "controlnet"
START_LIMIT_S = 300
FLAGS = ("--skip-prepare-environment", "--api", "--no-download-sd-model", "--disable-console-progressbars",
         "--no-hashing", "--no-gradio-queue")
CPU_FLAGS = ("--skip-torch-cuda-test", "--use-cpu", "all", "--no-half")
FORGE_CPU_FLAGS = ("--skip-torch-cuda-test", "--always-cpu", "--all-in-fp32", "--clip-in-fp32")
FORGE_OPTIONS = {"live_previews_enable": False, "sd_text_encoder": "None", "skip_early_cond": -1}
"""Their previews would download a decoder. At 0 some leave the negative prompt out of the first step: test_rows."""
REGISTERING = Path(__file__).parent / "registering"
"""For hosts that know a model by its sizes alone."""


def find_webui() -> Path | None:
    """The person's WebUI: SD_WEBUI_DIR, else ~/stable-diffusion-webui."""
    folder = Path(os.environ.get("SD_WEBUI_DIR") or Path.home() / "stable-diffusion-webui")
    return folder if (folder / "launch.py").is_file() else None


def find_controlnet() -> Path | None:
    """The ControlNet extension: the host's built-in one, else SD_WEBUI_CONTROLNET, else the one in the WebUI's own
    folder."""
    webui = find_webui()
    if webui and is_forge(webui):
        return webui / "extensions-builtin" / "sd_forge_controlnet"
    folder = os.environ.get("SD_WEBUI_CONTROLNET") or (webui and webui / "extensions" / "sd-webui-controlnet")
    return Path(folder) if folder and Path(folder, "scripts", "controlnet.py").is_file() else None


def with_controlnet() -> dict[str, Path]:
    """The extensions with which a host has ControlNet, which loads the embedded model's: FITTING, or REGISTERING."""
    return {} if FORGE else {"sd-webui-controlnet": find_controlnet(), "test-fitting": FITTING,
                                "test-families": FAMILIES}


def find_extension(name: str) -> Path | None:
    """Somebody else's extension, by the name of its repository: in SD_WEBUI_EXTENSIONS, else in the WebUI's own
    folder."""
    webui = find_webui()
    places = [os.environ.get("SD_WEBUI_EXTENSIONS"), webui and webui / "extensions"]
    folders = [Path(place, name) for place in places if place]
    return next((folder.resolve() for folder in folders if (folder / "scripts").is_dir()), None)


def python_of(webui: Path) -> str:
    """The interpreter that has the WebUI's packages: SD_WEBUI_PYTHON, else its own venv's."""
    own = [webui / "venv" / "bin" / "python", webui / "venv" / "Scripts" / "python.exe"]
    return os.environ.get("SD_WEBUI_PYTHON") or next((str(path) for path in own if path.is_file()), sys.executable)


def is_forge(webui: Path) -> bool:
    """Whether it is of the Forge family, which has a ControlNet of its own."""
    return (webui / "modules_forge").is_dir()


FORGE = bool(find_webui() and is_forge(find_webui()))


def mentions(file: str, text: str) -> bool:
    """Whether one of the host's files does."""
    return text in (find_webui() / file).read_text("utf-8")


class Host:
    """One running WebUI. `extensions` are folders that it loads, by name; `packages` a folder of more packages; `basic`
    a name and password for its API."""

    def __init__(self, webui: Path, folder: Path, extensions: dict[str, Path], flags: tuple[str, ...] = (),
                 packages: Path | None = None, basic: str | None = None, cpu: bool = True):
        self.webui, self.folder, self._packages = webui, folder, packages
        self.is_forge = is_forge(webui)
        self._flags = *((FORGE_CPU_FLAGS if self.is_forge else CPU_FLAGS) if cpu else ()), *flags
        extensions = {**extensions, **({"test-registering": REGISTERING} if self.is_forge else {})}
        self._headers = {"Authorization": f"Basic {encoded(basic.encode())}"} if basic else {}
        for name, path in extensions.items():
            target = folder / "extensions" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path, target_is_directory=True)
        export(folder / "models")
        if self.is_forge:
            (folder / "config.json").write_text(json.dumps(FORGE_OPTIONS | {"sd_model_checkpoint": CHECKPOINT.name}))
        self.log = folder / "webui.log"
        self.port = _free_port()
        self.process: subprocess.Popen | None = None

    def add_checkpoints(self, folder: Path) -> None:
        for path in folder.iterdir():
            (self.folder / "models" / "Stable-diffusion" / path.name).symlink_to(path)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Host:
        environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1",
                       "TRANSFORMERS_OFFLINE": "1", "no_proxy": "127.0.0.1", "WEBUI_LAUNCH_LIVE_OUTPUT": "1"}
        if self._packages:
            environment["PYTHONPATH"] = str(self._packages)
        command = [python_of(self.webui), "-u", "launch.py", "--data-dir", str(self.folder), "--port", str(self.port),
                   "--embeddings-dir", str(self.folder / "embeddings"), *FLAGS, *self._flags]
        self.process = subprocess.Popen(command, cwd=self.webui, env=environment, stdin=subprocess.DEVNULL,
                                        stdout=self.log.open("w"), stderr=subprocess.STDOUT)
        self.wait()
        return self

    def wait(self, starts: int = 1) -> None:
        """Until the page was started so often, a checkpoint is loaded and the API answers, which it does too early."""
        limit = time.monotonic() + START_LIMIT_S
        while time.monotonic() < limit:
            if self.process.poll() is not None:
                raise RuntimeError(f"the WebUI ended while starting:\n{self.tail()}")
            if self.starts() >= starts and re.search("Model .*loaded in", self.tail(None)) and self._answers():
                return
            time.sleep(0.25)
        raise RuntimeError(f"the WebUI did not start in {START_LIMIT_S} s:\n{self.tail()}")

    def _answers(self) -> bool:
        try:
            return self.get("/sdapi/v1/samplers")[0] == 200
        except OSError:
            return False

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self.process = None

    def starts(self) -> int:
        """How often the page has been started: once, and again after every Reload UI."""
        return self.tail(None).count("Startup time:")

    def reload(self) -> None:
        """Reload UI, as its button does; needs the probe."""
        starts = self.starts()
        self.post("/probe/reload")
        self.wait(starts + 1)

    def tail(self, lines: int | None = 40) -> str:
        """The last lines of the host's log, or all of it."""
        text = self.log.read_text(errors="replace")
        return text if lines is None else "\n".join(text.splitlines()[-lines:])

    def errors(self) -> int:
        """How often something of ours has raised what the host caught and went on."""
        return sum("*** Error" in line and "sd-webui-indetail" in line for line in self.tail(None).splitlines())

    def get(self, path: str) -> tuple[int, Any]:
        return self._ask(urllib.request.Request(self.url + path))

    def forget_prepared(self) -> None:
        """Of the extension, in memory and on disk."""
        request = urllib.request.Request(self.url + "/indetail/cache", method="DELETE")
        status, answer = self._ask(request)
        assert status == 200, answer

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        data = json.dumps({} if body is None else body).encode()
        return self._ask(urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}))

    def put(self, path: str, body: Any) -> tuple[int, Any]:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"}, method="PUT")
        return self._ask(request)

    def _ask(self, request: urllib.request.Request) -> tuple[int, Any]:
        request.headers.update(self._headers)
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def lacks(self, option: str) -> bool:
        return option not in self.get("/sdapi/v1/options")[1]

    def options(self, **values: Any) -> None:
        """Of the host; a test of one that it does not have is skipped."""
        status, answer = self.post("/sdapi/v1/options", values)
        _skip_without_option(status, answer)
        assert status == 200, answer

    def make(self, mode: str = "txt2img", indetail: Any = None, **fields: Any) -> list[bytes]:
        """The PNG files of a generation; fails the test with the host's log if there are none."""
        status, answer = self.ask(mode, indetail, **fields)
        if FORGE and status in (400, 404) and answer.get("detail") == "Sampler not found":
            pytest.skip(f"NOT THERE: the sampler {fields['sampler_name']} (modules/sd_samplers.py)")
        _skip_without_option(status, answer)
        assert status == 200, f"{answer}\n{self.tail()}"
        return [base64.b64decode(picture) for picture in answer["images"]]

    def ask(self, mode: str = "txt2img", indetail: Any = None, **fields: Any) -> tuple[int, Any]:
        """A generation with our defaults; `indetail` is one object with named fields, or a list of arguments."""
        body = {**DEFAULTS, **fields}
        if indetail is not None:
            args = indetail if isinstance(indetail, list) else [indetail]
            body["alwayson_scripts"] = {**body.get("alwayson_scripts", {}), "InDetail": {"args": args}}
        return self.post(f"/sdapi/v1/{mode}", body)


DEFAULTS = {"prompt": "a star", "negative_prompt": "", "seed": 7, "steps": 6, "width": 128, "height": 128,
            "cfg_scale": 5, "sampler_name": "Euler", "scheduler": "Automatic"}
if FORGE:
    DEFAULTS["hr_cfg"] = 5  # a second pass has a scale of its own there, 1 if none is asked for


def _skip_without_option(status: int, answer: Any) -> None:
    if FORGE and status == 500 and answer["error"] == "KeyError":
        pytest.skip(f"NOT THERE: the option {answer['errors']} (modules/shared_options.py)")


def pixels(png: bytes) -> np.ndarray:
    """[H, W, 3], 0..255."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(np.int16)


def difference(first: bytes, second: bytes) -> int:
    """The largest difference of two pictures, in grey levels."""
    return int(np.abs(pixels(first) - pixels(second)).max())


def changed(first: bytes, second: bytes, columns: slice = slice(None)) -> float:
    """The mean difference within some columns, in grey levels."""
    return float(np.abs(pixels(first) - pixels(second))[:, columns].mean())


def paper(nodes: int) -> dict[str, Any]:
    """The paper's inversion, over so many nodes, with keys and values of every level that is sampled at."""
    return {"inversion": "DDIM", "nodes": nodes, "levels": "all"}


def encoded(picture: Image.Image | bytes, kind: str = "PNG") -> str:
    if isinstance(picture, bytes):
        return base64.b64encode(picture).decode()
    data = io.BytesIO()
    picture.save(data, kind)
    return base64.b64encode(data.getvalue()).decode()


def own_copy(folder: Path) -> Path:
    """The extension as a person installs it: what git tracks and what is new, without the tests' leavings."""
    target = folder / "sd-webui-indetail"
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file() and not name.startswith(("tests/", "embedded/weights/")):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
