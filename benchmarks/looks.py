"""`python -m benchmarks.looks`: what colour match and block weights change in the pictures of the embedded model.

For every seed a picture of a combination that was never drawn in training and a prompt for another shape, as in
`python -m embedded measure`; a small classifier names shapes and patterns, colours are compared directly.
"""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np
import torch

from benchmarks.results import write
from embedded.checkpoint import LatentDiffusion, load_judge, load_model
from embedded.demo import GUIDANCE_SCALE, STEPS, picture_of
from embedded.generate import Request, generate, prepare
from embedded.judge import Judge
from embedded.measure import judged, trial
from embedded.pictures import SHAPES, with_article
from lib_indetail.ask.settings import Settings
from lib_indetail.pictures.convert import picture_tensor

ALL = {"blocks": "all"}
ARMS = {
    "text only": None, "as it is": ALL, "no AdaIN": {**ALL, "adain": 0.0},
    "no AdaIN, colour match 0.5": {**ALL, "adain": 0.0, "colour_match": 0.5},
    "no AdaIN, colour match 1": {**ALL, "adain": 0.0, "colour_match": 1.0},
    "colour match 0.5": {**ALL, "colour_match": 0.5}, "colour match 1": {**ALL, "colour_match": 1.0},
    "colour match 1 until 0.6": {**ALL, "colour_match": 1.0, "colour_until": 0.6},
    "decoder": {}, **{f"decoder, {name}": {"block_weights": name} for name in ("detail", "style", "structure")},
    "strong": {"block_weights": "strong"},
}
FIGURES = {"shape": "shape of the text", "other shape": "shape of the image prompt",
           "pattern": "pattern of the image prompt",
           "colour distance": "colour inside the shape", "whole": "colour of the whole"}


def results(model: LatentDiffusion, judge: Judge, seed: int, arms: dict) -> dict[str, dict[str, float]]:
    scene, shape = trial(seed)
    request = Request(with_article(shape), (seed,), guidance_scale=GUIDANCE_SCALE, steps=STEPS)
    drawn = picture_tensor(picture_of(scene))
    inverted = prepare(model, model.encode(drawn), request.prompt, Settings.of({}, "cross-prompt"))
    measured = {}
    for arm, changes in arms.items():
        image = changes is not None and dataclasses.replace(inverted, settings=Settings.of(changes, "cross-prompt"))
        made = model.decode(generate(model, request, image or None))[0]
        with torch.no_grad():
            shapes, _ = judge(made[None].clamp(-1, 1))
        measured[arm] = {**judged(judge, made, scene, shape),
                         "other shape": float(shapes.argmax() == SHAPES.index(scene.shape)),
                         "whole": float((made - drawn[0]).mean((1, 2)).norm() / 2)}
    return measured


def section(measured: list[dict[str, dict[str, float]]]) -> str:
    count = len(measured)
    lines = ["## Colour match and block weights, the embedded model", "",
             f"Cross-prompt, 20 DDIM steps, guidance scale {GUIDANCE_SCALE:g}, seeds 0 to {count - 1}. Shapes and "
             "patterns: how many are right. Colours: distance of the means, RGB from 0 to 1.", "",
             "| | " + " | ".join(FIGURES.values()) + " |", "| --- |" + " --- |" * len(FIGURES)]
    for arm in measured[0]:
        cells = []
        for figure in FIGURES:
            values = [each[arm][figure] for each in measured]
            cells.append(f"{np.mean(values):.3f}" if "colour" in FIGURES[figure] else f"{sum(values):.0f}")
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.looks", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    model, judge = load_model(), load_judge()
    text = section([results(model, judge, seed, ARMS) for seed in range(parser.parse_args().seeds)])
    print(text)
    write(text)


if __name__ == "__main__":
    main()
