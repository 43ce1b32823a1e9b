"""`python -m benchmarks.quality.checkpoint PICTURES PROMPTS RESULTS`: a checkpoint of yours, in a running WebUI.

Every picture of a folder with every line of a text file and every seed, by the WebUI's API (--api), with the checkpoint
that it has loaded; beside ControlNet's reference_only where it is installed. What is there already is not made again.
--clip and --dino name folders with weights for CLIP-I, CLIP-T and DINO's structure distance.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm import tqdm

from benchmarks.quality.bootstrap import mean
from benchmarks.quality.learned import Clip, Dino
from lib_indetail.ask.presets import BUILT_IN

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
ENOUGH = 200
OURS = {"the authors' settings": {"inversion": "DDIM", "levels": "all"},
        "all blocks": BUILT_IN["Cross-prompt, all blocks"].values, "pattern": BUILT_IN["Pattern"].values,
        "most detail": BUILT_IN["Most detail"].values,
        "most detail, detail 0": {**BUILT_IN["Most detail"].values, "detail": 0.0}}
REFERENCES = {f"reference_only, fidelity {fidelity:g}": fidelity for fidelity in (0.5, 1.0)}
ARMS = ("text only", *REFERENCES, *OURS)


@dataclass(frozen=True)
class Case:
    """A picture and a prompt; from every seed one result."""

    picture: Path
    prompt: str
    number: int

    def results(self, folder: Path, arm: str, seeds: Sequence[int]) -> dict[int, Path]:
        return {seed: folder / arm / f"{self.picture.stem}-{self.number}-{seed}.png" for seed in seeds}


def cases(pictures: Path, prompts: Path) -> list[Case]:
    lines = [line.strip() for line in prompts.read_text(encoding="utf-8").splitlines() if line.strip()]
    found = sorted(path for path in pictures.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found or not lines:
        raise SystemExit(f"There are {len(found)} image prompts in {pictures} and {len(lines)} prompts in {prompts}.")
    return [Case(picture, line, number) for picture in found for number, line in enumerate(lines)]


def scripts(arm: str, picture: Path) -> dict[str, Any]:
    """What a request carries beside the prompt."""
    image = base64.b64encode(picture.read_bytes()).decode()
    if arm in OURS:
        return {"InDetail": {"args": [{"image": image, "task": "cross-prompt", **OURS[arm]}]}}
    if arm in REFERENCES:
        unit = {"enabled": True, "module": "reference_only", "model": "None", "image": image, "weight": 1.0,
                "resize_mode": "Crop and Resize", "control_mode": "Balanced", "threshold_a": REFERENCES[arm]}
        return {"controlnet": {"args": [unit]}}
    return {}


def generate(url: str, case: Case, arm: str, wanted: Mapping[int, Path], fields: Mapping[str, Any]) -> None:
    """Those of the wanted results that are not there. Raises RuntimeError with the WebUI's own sentence."""
    for seed, path in wanted.items():
        if path.exists():
            continue
        body = {"prompt": case.prompt, "seed": seed, "save_images": False, **fields,
                "alwayson_scripts": scripts(arm, case.picture)}
        request = urllib.request.Request(f"{url}/sdapi/v1/txt2img", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as answer:
                made = base64.b64decode(json.load(answer)["images"][0])
        except urllib.error.HTTPError as error:
            said = json.load(error)
            raise RuntimeError(f"{arm}, {case.picture.name}: {said.get('errors') or said.get('detail')}") from None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".part").write_bytes(made)
        path.with_suffix(".part").replace(path)


def figures(case: Case, results: Sequence[Path], clip: Clip | None, dino: Dino | None) -> dict[str, float]:
    made, picture = [Image.open(path) for path in results], Image.open(case.picture)
    return {**(clip.figures(made, picture, case.prompt) if clip else {}),
            **(dino.figures(made, picture) if dino else {})}


def table(measured: Mapping[str, Sequence[Mapping[str, float]]], results: int) -> str:
    """Means over cases with half of their 95 % intervals, a bootstrap over cases."""
    columns = list(next(iter(measured.values()))[0])
    lines = [f"{results} results a row." + ("" if results >= ENOUGH else f" That is few: {ENOUGH} are wanted."), "",
             "| | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
    for arm, rows in measured.items():
        means = [mean([row[column] for row in rows]) for column in columns]
        cells = (f"{each.value:.4f} ± {(each.high - each.low) / 2:.4f}" for each in means)
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def work(given: Sequence[Case], arms: Sequence[str]) -> Iterator[tuple[Case, str]]:
    yield from tqdm([(case, arm) for case in given for arm in arms], desc="cases", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality.checkpoint", description=__doc__.splitlines()[0])
    for name, what in (("pictures", "a folder of image prompts"), ("prompts", "a text file, a prompt a line"),
                       ("results", "where pictures and table.md go")):
        parser.add_argument(name, type=Path, help=what)
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--sampler", default="DPM++ 2M")
    parser.add_argument("--scheduler", default="Karras")
    parser.add_argument("--cfg", type=float, default=5.0)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--dino", type=Path)
    asked = parser.parse_args(arguments)
    clip, dino = asked.clip and Clip(asked.clip), asked.dino and Dino(asked.dino)
    fields = dict(steps=asked.steps, sampler_name=asked.sampler, scheduler=asked.scheduler, cfg_scale=asked.cfg,
                  width=asked.size, height=asked.size)
    given, measured = cases(asked.pictures, asked.prompts), {arm: [] for arm in asked.arms}
    for case, arm in work(given, asked.arms):
        wanted = case.results(asked.results, arm, range(asked.seeds))
        generate(asked.url, case, arm, wanted, fields)
        if clip or dino:
            measured[arm].append(figures(case, list(wanted.values()), clip, dino))
    if clip or dino:
        text = table(measured, len(given) * asked.seeds)
        (asked.results / "table.md").write_text(text, encoding="utf-8")
        print(text)


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as error:
        sys.exit(str(error))
