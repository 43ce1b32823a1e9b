"""Extra pictures of a generation, for whoever asks: what the inversion holds, masks, what the image receives."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from PIL import Image

from lib_indetail.attention.received import Watcher
from lib_indetail.errors import Interrupted
from lib_indetail.inversion.inverter import Inverter, ddim_nodes
from lib_indetail.methods.plans import IMAGE
from lib_indetail.pictures.convert import tensor_picture
from lib_indetail.pictures.heat_map import enlarged, heat_map, layer_label
from lib_indetail.run.host import Host, Model
from lib_indetail.run.prepared import Prepared

CELL = 8  # pixels a side
RECONSTRUCTING = "inverting the image prompt"


class Extras:
    """What is wanted of a generation (`show`, of `request.SHOWN`), and the pictures so far, by title; of a batch count
    each once."""

    def __init__(self, show: Collection[str] = ()):
        self.show = show
        self.pictures: dict[str, Image.Image] = {}

    def before(self, host: Host, model: Model, prepared: Sequence[Prepared], of_pass: str) -> None:
        """Before a pass is sampled: the reconstruction of each image prompt, and its masks at the latent's size."""
        for each in prepared:
            size = each.clean.shape[-1] * CELL, each.clean.shape[-2] * CELL
            masks = {"Reference mask": each.take and each.take.values, "Output mask": each.put}
            for name, mask in masks.items() if "masks" in self.show else ():
                if mask is not None:
                    self.pictures[_title(name, each, of_pass)] = enlarged(mask, size)
            title = _title("Reconstruction", each, of_pass)
            if "reconstruction" in self.show and title not in self.pictures:
                try:
                    self.pictures[title] = reconstruction(host, model, each)[0]
                except Interrupted:
                    return

    def watcher(self) -> Watcher | None:
        return Watcher() if "attention" in self.show else None

    def after(self, prepared: Sequence[Prepared], of_pass: str, watch: Watcher | None) -> None:
        """After it: the heat map of each image prompt."""
        for each in prepared if watch and watch.levels else ():
            table = watch.table(each.banks[IMAGE])
            title = _title("Attention", each, of_pass)
            self.pictures.setdefault(title, heat_map(
                table, [layer_label(name) for name in watch.layers], [f"{sigma:.2g}" for sigma in watch.levels],
                f"{title}: share that it receives, by layer and noise level; mean {table.mean():.2f}"))


@torch.no_grad()
def reconstruction(host: Host, model: Model, prepared: Prepared) -> tuple[Image.Image, torch.Tensor]:
    """The picture as the model makes it when its inversion is sampled back without guidance, and its latent. Raises
    Interrupted."""
    with host.progress(RECONSTRUCTING) as report, model.ready():
        inverter = Inverter(model.schedule, model.prediction, report, host.interrupted)
        nodes = ddim_nodes(prepared.settings.nodes, len(model.schedule))
        latent = inverter.reconstruct(prepared.outside[IMAGE], prepared.chain, nodes)
    return tensor_picture(model.decode(latent)[0]), latent


def _title(name: str, prepared: Prepared, of_pass: str) -> str:
    return f"{name} of image prompt {prepared.number}{', ' if of_pass else ''}{of_pass}"
