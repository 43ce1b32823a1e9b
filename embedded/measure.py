"""Measures what an image prompt carries over: `python -m embedded measure`.

For every seed one picture of a shape x pattern x colour combination that was never drawn in training, and another
shape as the prompt: text only, image prompt with decoder blocks, with all blocks, and somebody else's picture
with all blocks. A small classifier names shapes and patterns; colours are compared directly.
"""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from embedded.checkpoint import LatentDiffusion, load_judge, load_model
from embedded.demo import GUIDANCE_SCALE, STEPS, picture_of
from embedded.generate import Request, generate, prepare
from embedded.judge import Judge, inside_colour
from embedded.pictures import PATTERNS, SHAPES, Scene, random_scene, with_article
from embedded.sheet import Cell, save_sheet
from lib_indetail.ask.settings import Settings
from lib_indetail.pictures.convert import picture_tensor, tensor_picture

ARMS = ("text only", "decoder blocks", "all blocks", "shuffled, all blocks")


def trial(seed: int) -> tuple[Scene, str]:
    """The picture and the prompted shape of a seed; never a shape that the picture shows."""
    rng = np.random.default_rng([77, seed])
    scene = random_scene(rng, held_out=True)
    return scene, str(rng.choice([shape for shape in SHAPES if shape != scene.shape]))


def results_of(model: LatentDiffusion, seed: int, count: int, **changes) -> dict[str, torch.Tensor]:
    """The four arms' pictures of one seed, [3, H, W] in -1..1 each, from the same initial noise."""
    scene, shape = trial(seed)
    request = Request(with_article(shape), (seed,), guidance_scale=GUIDANCE_SCALE, steps=STEPS)
    latents = {"text only": generate(model, request)}
    for source, arms in ((scene, {"decoder blocks": "decoder", "all blocks": "all"}),
                         (trial((seed + 1) % count)[0], {"shuffled, all blocks": "all"})):
        settings = Settings.of({"nodes": 50, **changes}, "cross-prompt")
        image = prepare(model, model.encode(picture_tensor(picture_of(source))), request.prompt, settings)
        for arm, blocks in arms.items():
            chosen = dataclasses.replace(image, settings=dataclasses.replace(settings, blocks=blocks))
            latents[arm] = generate(model, request, chosen)
    return dict(zip(latents, model.decode(torch.cat(list(latents.values()))), strict=True))


def judged(judge: Judge, picture: torch.Tensor, scene: Scene, shape: str) -> dict[str, float]:
    """Whether shape and pattern are right, and how far the colour inside the shape is from the picture's, 0..1.73."""
    with torch.no_grad():
        shapes, patterns = judge(picture[None].clamp(-1, 1))
    colours = inside_colour(torch.cat([picture[None], picture_tensor(picture_of(scene))]))
    return {"shape": float(shapes.argmax() == SHAPES.index(shape)),
            "pattern": float(patterns.argmax() == PATTERNS.index(scene.material.pattern)),
            "colour distance": float((colours[0] - colours[1]).norm())}


def measure(output: Path, count: int = 100, **changes) -> dict[str, dict[str, float]]:
    """Measure seeds 0 .. count - 1, none chosen. Every seed's figures are kept in `output`, so that an
    interrupted measurement goes on; sheets of the pictures are written beside it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    known: dict[str, dict] = json.loads(output.read_text()) if output.exists() else {}
    missing = [seed for seed in range(count) if str(seed) not in known]
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=_one_thread) as workers:
        waiting = [workers.submit(_measured, seed, count, output.parent, changes) for seed in missing]
        for done in tqdm(as_completed(waiting), total=len(waiting), desc="seeds"):
            seed, figures = done.result()
            known[str(seed)] = figures
            output.write_text(json.dumps(known))
    return summary(known)


def _one_thread() -> None:
    torch.set_num_threads(1)


@cache
def _models() -> tuple[LatentDiffusion, Judge]:
    return load_model(), load_judge()


def _measured(seed: int, count: int, folder: Path, changes: dict) -> tuple[int, dict[str, dict[str, float]]]:
    model, judge = _models()
    scene, shape = trial(seed)
    pictures = results_of(model, seed, count, **changes)
    row = [Cell(picture_of(scene), f"{scene.material.pattern} {scene.shape}"),
           *(Cell(tensor_picture(p), f"{arm}: {shape}") for arm, p in pictures.items())]
    save_sheet(folder / f"seed_{seed:03}.png", f"seed {seed}", [row])
    return seed, {arm: judged(judge, picture, scene, shape) for arm, picture in pictures.items()}


def summary(known: dict[str, dict]) -> dict[str, dict[str, float]]:
    """The mean of every figure over the seeds."""
    return {arm: {figure: float(np.mean([each[arm][figure] for each in known.values()]))
                  for figure in ("shape", "pattern", "colour distance")} for arm in ARMS}


def judge_accuracy(count: int = 500) -> dict[str, float]:
    """How often the judge is right on pictures it never saw: as drawn, and through the autoencoder."""
    model, judge = load_model(), load_judge()
    rng = np.random.default_rng([78, 0])
    hits = {f"{kind}, {what}": 0 for kind in ("drawn", "autoencoded") for what in ("shape", "pattern")}
    for _ in range(count):
        scene = random_scene(rng, held_out=True)
        drawn = picture_tensor(picture_of(scene))
        for kind, picture in (("drawn", drawn), ("autoencoded", model.decode(model.encode(drawn)))):
            shape, pattern = judge(picture.clamp(-1, 1))
            hits[f"{kind}, shape"] += int(shape.argmax() == SHAPES.index(scene.shape))
            hits[f"{kind}, pattern"] += int(pattern.argmax() == PATTERNS.index(scene.material.pattern))
    return {key: value / count for key, value in hits.items()}
