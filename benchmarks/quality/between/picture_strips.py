"""Strips between two pictures with the embedded model: the strips of a pass, without a host."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from benchmarks.quality.arm import AUTHORS
from benchmarks.quality.between.weaving import SCALE, STEPS, Weaver
from embedded.checkpoint import LatentDiffusion
from embedded.demo import picture_of
from embedded.generate import Request, prepare
from embedded.host import EmbeddedModel
from embedded.pictures import Scene
from embedded.samplers import sample
from embedded.unet_calls import GuidedModel
from lib_indetail.ask.interpolating import MORPH
from lib_indetail.ask.settings import Settings
from lib_indetail.inversion.inverter import Inverter, ddim_nodes
from lib_indetail.methods.interpolation import Phases
from lib_indetail.methods.plans import IMAGE
from lib_indetail.pictures.convert import picture_tensor, tensor_picture
from lib_indetail.run.generation import Generation
from lib_indetail.run.prepared import Prepared
from lib_indetail.run.strips import Strips


@torch.no_grad()
def between_pictures(model: LatentDiffusion, scenes: Sequence[Scene], settings: Settings, prompt: str = "",
                     scale: float = SCALE, seed: int = 0, steps: int = STEPS) -> np.ndarray:
    """The frames between two scenes, [n, H, W, 3] of 0..255. A morph's ends are the pictures' reconstructions."""
    own, strips = EmbeddedModel(model), Strips(settings, range(1))
    images = [_prepared(model, scene, settings, prompt, number) for number, scene in enumerate(scenes, 1)]
    early, late = settings.variants
    phases = Phases(early, Weaver(model, steps).after(settings.interpolated_share), late)
    with Generation(own, strips.reading(images), settings, acting=strips.acting(images),
                    of_readers=partial(strips.method, phases, own, images)) as generation:
        rows = 1 + len(generation.beside)
        texts, empty = (model.text([text]).expand(rows, -1, -1) for text in (prompt, ""))
        request = Request(prompt, [seed] * rows, steps=steps)
        latents = sample(GuidedModel(model, texts, empty, scale, generation), request, generation.started)
    ends = [_reconstructed(model, each) for each in images] if settings.interpolate == MORPH else ()
    frames = strips.frames(latents, ends).latents[0]
    return np.stack([np.asarray(tensor_picture(each)) for each in model.decode(frames)])


def settings_of(kind: str, between: str, frames: int, inversion_text: str = "empty") -> Settings:
    """All blocks, as in the demo; all else as the authors have it."""
    theirs = {name: getattr(AUTHORS, name) for name in ("nodes", "inversion", "levels")}
    return Settings.of({**theirs, "blocks": "all", "interpolate": kind, "between": between, "frames": frames,
                        "inversion_text": inversion_text}, "cross-prompt")


def _prepared(model: LatentDiffusion, scene: Scene, settings: Settings, prompt: str, number: int) -> Prepared:
    clean = model.encode(picture_tensor(picture_of(scene)))
    return dataclasses.replace(prepare(model, clean, prompt, settings), number=number)


def _reconstructed(model: LatentDiffusion, image: Prepared) -> torch.Tensor:
    nodes = ddim_nodes(image.settings.nodes, len(model.schedule))
    return Inverter(model.schedule, model.prediction).reconstruct(image.outside[IMAGE], image.chain, nodes)
