"""The frozen requests, made one after the other in a WebUI with one commit of the extension."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.frozen.asking import added, body, in_full
from tests.frozen.comparing import Answer
from tests.frozen.wishes import Frozen
from tests.webui.checkpoints import build
from tests.webui.host import SEEDING, Host, find_webui, python_of, with_controlnet

CHECKPOINTS = ("sd1-other", "sd2-v", "inpainting", "sdxl")
OURS = "InDetail"
NEUTRAL = {"batch_cond_uncond": True, "enable_quantization": False, "token_merging_ratio": 0.0}
"""Of the host's options those that some request overrides, at the host's own values."""


@dataclass
class Answers:
    """What one commit answered, by the request's name, and the settings that it knows."""

    known: dict[str, Any]
    by_name: dict[str, Answer] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps({"known": self.known,
                                    "answers": {name: each.as_json() for name, each in self.by_name.items()}}))

    @classmethod
    def read(cls, path: Path) -> Answers:
        kept = json.loads(path.read_text())
        return cls(kept["known"], {name: Answer(**each) for name, each in kept["answers"].items()})


def checkpoints(folder: Path) -> Path:
    """Small random checkpoints, the same for both commits."""
    made = folder / "checkpoints"
    made.mkdir()
    build(find_webui(), python_of(find_webui()), made, CHECKPOINTS)
    return made


def answered(extension: Path, folder: Path, wishes: Mapping[str, Frozen], models: Path,
             before: Answers | None = None) -> Answers:
    """With the extension of that folder; `before` is what the older commit answered, where this is the newer one."""
    host = Host(find_webui(), folder, {"sd-webui-indetail": extension, **with_controlnet(), "test-seeding": SEEDING})
    host.add_checkpoints(models)
    try:
        host.start()
        host.options(show_progress_type="Approx cheap",  # another kind of preview would be downloaded
                     **NEUTRAL)  # the host puts back what a request overrides only where it was set before
        known = host.get("/indetail/settings")[1]
        older = before or Answers(known)
        answers, axes = Answers(known), _axes(host)
        more = added(older.known, known)
        for name, frozen in wishes.items():
            begun = time.monotonic()
            for preset, values in frozen.saves.items():
                saved = {**in_full(values, older.known, more), "name": preset}
                _save(host, saved)
            sent = body(frozen, older.known, more, axes, lambda of: (before or answers).by_name[of].infotexts[0])
            answers.by_name[name] = _answer(host, frozen.mode, sent)
            print(f"{folder.name}: {name}, {time.monotonic() - begun:.1f} s", flush=True)
        return answers
    finally:
        host.stop()


def _save(host: Host, preset: Mapping[str, Any]) -> None:
    status, said = host.put("/indetail/presets", preset)
    if status != 200:
        raise RuntimeError(f"the preset was not saved: {said}")


def _axes(host: Host) -> list[str]:
    infos = host.get("/sdapi/v1/script-info")[1]
    return next(info for info in infos if info["name"] == "x/y/z plot" and not info["is_img2img"])["args"][0]["choices"]


def _answer(host: Host, mode: str, sent: Mapping[str, Any]) -> Answer:
    status, said = host.post(f"/sdapi/v1/{mode}", sent)
    if status != 200:
        return Answer(status, said=f"{said.get('error')}: {said.get('detail') or said.get('errors')}")
    return Answer(status, said["images"], json.loads(said["info"])["infotexts"])
