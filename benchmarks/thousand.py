"""`python -m benchmarks.thousand`: 1,000 different pictures through small caches, with the embedded model."""

from __future__ import annotations

import argparse
import resource
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from benchmarks.results import write
from embedded.checkpoint import LatentDiffusion, load_model
from embedded.generate import Request, generate
from embedded.pictures import draw, random_scene
from lib_indetail.ask.settings import Settings
from lib_indetail.bank.memory import BankMemory
from lib_indetail.inversion.inverter import Inverter
from lib_indetail.inversion.kinds import prepare_chain
from lib_indetail.inversion.passes import as_model, image_passes, plain_pass
from lib_indetail.kept.cache import Cache
from lib_indetail.kept.chain_files import ChainStore
from lib_indetail.noise.chain import Chain
from lib_indetail.run.prepared import Prepared

SETTINGS = Settings(nodes=2)
REQUEST = Request("a star", steps=1)
BUDGETS = {"chains": 30000, "banks": 2**21, "disk": 90000}
"""Bytes: a few pictures' worth each."""


@dataclass
class Seen:
    """What came of so many pictures: the most bytes that were ever held, and how pictures fared that came again."""

    pictures: int = 0
    most: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BUDGETS, 0))
    files: int = 0
    again: int = 0
    found: dict[str, int] = field(default_factory=lambda: {"memory": 0, "disk": 0, "nowhere": 0})
    worst: float = 0.0
    memory_mb: list[float] = field(default_factory=list)


class Studio:
    """Generates from a picture, through the three caches."""

    def __init__(self, model: LatentDiffusion, folder: Path):
        self._model = model
        self.chains, self.banks = (Cache(lambda name=name: BUDGETS[name]) for name in ("chains", "banks"))
        self.store = ChainStore(lambda: folder, lambda: BUDGETS["disk"])
        self._pass = plain_pass(model.unet, model.text([REQUEST.prompt]))

    def made(self, number: int) -> tuple[torch.Tensor, str]:
        """The latent made from a picture, and where its inversion was."""
        chain, where = self._chain(number)
        passes = dict(image_passes(SETTINGS, self._pass, self._pass))
        memory = BankMemory(self.banks, number)
        return generate(self._model, REQUEST, Prepared(SETTINGS, chain, chain.latents[0], passes, {}, memory)), where

    @torch.no_grad()
    def _chain(self, number: int) -> tuple[Chain, str]:
        if (chain := self.chains.get(number)) is not None:
            return chain, "memory"
        where = "disk"
        if (chain := self.store.get(number)) is None:
            where, chain = "nowhere", self._inverted(number)
            self.store.put(number, chain)
        self.chains.put(number, chain, chain.bytes)
        return chain, where

    def _inverted(self, number: int) -> Chain:
        picture = draw(random_scene(np.random.default_rng(number)))
        latent = self._model.encode(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1)
        return prepare_chain(SETTINGS, Inverter(self._model.schedule, self._model.prediction), as_model(self._pass),
                             latent)


def run(model: LatentDiffusion, folder: Path, count: int) -> Seen:
    """Every third time a picture comes again, one of the last, a later or any one, and is compared with its first."""
    studio, seen, first, drawn = Studio(model, folder), Seen(), {}, np.random.default_rng(0)
    for number in range(count):
        first[number], _ = studio.made(number)
        seen.pictures += 1
        if number % 3 == 2:
            low, high = ((1, 2), (3, 8), (1, number + 1))[seen.again % 3]
            earlier = max(0, number - int(drawn.integers(low, high)))
            again, where = studio.made(earlier)
            seen.again += 1
            seen.found[where] += 1
            seen.worst = max(seen.worst, float((again - first[earlier]).abs().max()))
        held = {"chains": studio.chains.bytes, "banks": studio.banks.bytes, "disk": studio.store.bytes}
        seen.most = {name: max(most, held[name]) for name, most in seen.most.items()}
        seen.files = max(seen.files, len(list(folder.iterdir())))
        if number % 100 == 99:
            seen.memory_mb.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return seen


def section(seen: Seen) -> str:
    rows = "\n".join(f"| {name} | {budget / 1024:.0f} KB | {seen.most[name] / 1024:.0f} KB |"
                     for name, budget in BUDGETS.items())
    memory = ", ".join(f"{each:.0f}" for each in seen.memory_mb)
    return f"""## {seen.pictures:,} image prompts through small caches

The embedded model, {SETTINGS.nodes} nodes and {REQUEST.steps} step each.

| | budget | most that was held |
| --- | --- | --- |
{rows}

At most {seen.files} files. {seen.again} image prompts came again: {seen.found['memory']} were found in memory,
{seen.found['disk']} on disk, {seen.found['nowhere']} nowhere. The largest difference from the first time is
{seen.worst:g}.
Highest use of memory by the process after every 100 image prompts, in MB: {memory}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.thousand", description=__doc__)
    parser.add_argument("--pictures", type=int, default=1000)
    count = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as folder:
        text = section(run(load_model(), Path(folder), count))
    print(text)
    write(text)


if __name__ == "__main__":
    main()
