"""`python -m embedded.materials.measure PARTS`: what an image prompt of an unseen material carries over.

Each trial is a picture of an unseen material, and a prompt for another silhouette. A result's
material is named right if the judge finds it nearest to its own image prompt among those of all trials. Two bounds
stand beside: the picture as it would be drawn, and that seen through the autoencoder.
"""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch

from embedded.checkpoint import LatentDiffusion, load_model
from embedded.generate import Request, generate, prepare
from embedded.materials.autoencoder import SIZES
from embedded.materials.composite import draw
from embedded.materials.judge import MaterialJudge
from embedded.materials.parts import NAME, join, load_judge, pictures_side_by_side
from embedded.materials.sampling import Lots
from embedded.materials.stock import Stock, load
from embedded.pictures import with_article
from lib_indetail.ask.settings import Settings

ARMS = ("text only", "decoder blocks", "all blocks", "shuffled, all blocks")
BOUNDS = ("drawn", "drawn, through the autoencoder")
LATENT = 32


@dataclass(frozen=True, eq=False)
class Trials:
    """[n] trials: image prompts and the pictures that would be right, [n, 3, 256, 256] in 0..1, and the silhouettes
    that are asked for."""

    prompts: torch.Tensor
    targets: torch.Tensor
    shapes: torch.Tensor


def trials(stock: Stock, count: int) -> Trials:
    """Every unseen tile once, before plain backgrounds; no silhouette is that of its image prompt."""
    lot, lots = torch.Generator().manual_seed(11), Lots(stock)
    tiles, given = lots.unseen(count, lot)
    wanted = (given + torch.randint(1, len(stock.shapes), (count,), generator=lot)) % len(stock.shapes)
    prompts, targets = (draw(stock, tiles, shapes, lot, plain=1.0).pictures for shapes in (given, wanted))
    return Trials(prompts, targets, wanted)


@torch.no_grad()
def results(model: LatentDiffusion, stock: Stock, found: Trials) -> dict[str, torch.Tensor]:
    """Pictures of every arm, [n, 3, 256, 256] in 0..1, each trial from its own noise."""
    made: dict[str, list[torch.Tensor]] = {arm: [] for arm in ARMS}
    count = len(found.shapes)
    for number, shape in enumerate(found.shapes.tolist()):
        request = Request(with_article(stock.shapes[shape]), (number,), size=(LATENT, LATENT))
        made["text only"].append(generate(model, request))
        for source, arms in ((number, ARMS[1:3]), ((number + 1) % count, ARMS[3:])):
            settings = Settings.of({}, "cross-prompt")
            latent = model.encode(found.prompts[source:source + 1] * 2 - 1)
            image = prepare(model, latent, request.prompt, settings)
            for arm in arms:
                blocks = "decoder" if arm == "decoder blocks" else "all"
                chosen = dataclasses.replace(image, settings=dataclasses.replace(settings, blocks=blocks))
                made[arm].append(generate(model, request, chosen))
    return {arm: model.decode(torch.cat(latents)).add(1).div(2).clamp(0, 1) for arm, latents in made.items()}


@torch.no_grad()
def judged(judge: MaterialJudge, pictures: torch.Tensor, found: Trials) -> dict[str, float]:
    """Shares of the trials: the silhouette is the one that was asked for, the material is nearest to its own image
    prompt's."""
    named, material = judge(pictures * 2 - 1)
    nearest = (material @ judge(found.prompts * 2 - 1)[1].T).argmax(1)
    return {"shape": float((named.argmax(1) == found.shapes).float().mean()),
            "material": float((nearest == torch.arange(len(pictures))).float().mean())}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m embedded.materials.measure", description=__doc__.splitlines()[0])
    parser.add_argument("parts", type=Path)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--output", type=Path, default=Path("outputs/materials/measured.jpg"))
    asked = parser.parse_args()
    stock, (judge, _) = load(torch.device("cpu")), load_judge(asked.parts)
    checkpoint = join(asked.parts, asked.output.parent / "models")[0]
    model, found = load_model(checkpoint, vae=SIZES), trials(stock, asked.count)
    through = model.decode(model.encode(found.targets * 2 - 1)).add(1).div(2).clamp(0, 1)
    made = {**dict(zip(BOUNDS, (found.targets, through), strict=True)), **results(model, stock, found)}
    print(f"| of {asked.count}, {NAME} | shape of the text | material of the image prompt |\n| --- | --- | --- |")
    for name in (*BOUNDS, *ARMS):
        figures = judged(judge, made[name], found)
        print(f"| {name} | {figures['shape']:.2f} | {figures['material']:.2f} |")
    pictures_side_by_side([found.prompts[:12], *(made[name][:12] for name in (*BOUNDS, *ARMS))], asked.output)


if __name__ == "__main__":
    main()
