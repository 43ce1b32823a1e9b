"""`python -m benchmarks.inversions`: how close each kind of inversion stays to the picture, and what it takes.

20 nodes, the embedded model; the error is that of the latent sampled back over the same nodes without guidance.
"""

from __future__ import annotations

from statistics import mean

import numpy as np
import torch

from benchmarks.results import write
from embedded.checkpoint import LatentDiffusion, load_model
from embedded.pictures import draw, training_scenes
from lib_indetail.ask.reading import INVERSIONS
from lib_indetail.ask.settings import Settings
from lib_indetail.inversion.inverter import Inverter, ddim_nodes, reconstruction_error
from lib_indetail.inversion.kinds import prepare_chain
from lib_indetail.inversion.passes import as_model, plain_pass

NODES, PICTURES = 20, 4
WINDOWS = ((2, 1), (3, 1), (4, 1), (3, 2), (5, 2), (10, 3), (20, 4))
"""Levels at once and sweeps over them: what "parallel" was chosen from."""


class Studio:
    def __init__(self, model: LatentDiffusion):
        self._inverter = Inverter(model.schedule, model.prediction)
        self._nodes = ddim_nodes(NODES)
        self._sigmas = [model.schedule.sigma(t) for t in self._nodes]
        self._calls: list[int] = []
        run = as_model(plain_pass(model.unet, model.text(["a star"])))
        pictures = np.stack([draw(scene) for scene in training_scenes(123, PICTURES)])
        self._latents = model.encode(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1).split(1)

        def counted(z, t):
            self._calls.append(len(z))
            return run(z, t)

        self._model = counted

    @torch.no_grad()
    def measured(self, invert) -> tuple[int, int, float]:
        """Calls and rows for one picture, and the mean error; `invert(inverter, model, latent, sigmas)` -> chain."""
        errors = []
        for latent in self._latents:
            self._calls.clear()
            chain = invert(self._inverter, self._model, latent, self._sigmas)
            took = len(self._calls), sum(self._calls)
            back = self._inverter.reconstruct(self._model, chain, self._nodes)
            errors.append(reconstruction_error(latent, back).latent)
        return *took, mean(errors)


def main() -> None:
    studio = Studio(load_model())
    kinds = {kind: lambda inverter, model, latent, sigmas, kind=kind: prepare_chain(
        Settings(inversion=kind, nodes=NODES), inverter, model, latent, sigmas) for kind in INVERSIONS}
    windows = {f"{window} levels at once, {sweeps} x": lambda inverter, model, latent, sigmas, w=window, s=sweeps:
               inverter.one_pass(model, latent, sigmas, window=w, sweeps=s) for window, sweeps in WINDOWS}
    lines = ["## Kinds of inversion, 20 nodes, the embedded model", "",
             f"Mean error of {PICTURES} image prompts. One pass and parallel have the record in their calls; the "
             "others need one more for each level.", "",
             "| | UNet calls | rows | reconstruction error |", "| --- | --- | --- | --- |"]
    for name, invert in {**kinds, **windows}.items():
        calls, rows, error = studio.measured(invert)
        lines.append(f"| {name} | {calls} | {rows} | {error:.3f} |")
        print(lines[-1], flush=True)
    write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
