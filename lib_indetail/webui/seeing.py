"""Extra pictures of a generation, for whoever asks: what the inversion holds, masks, what the image receives."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from modules import shared
from PIL import Image

from lib_indetail.errors import Interrupted
from lib_indetail.heat_map import enlarged, heat_map, layer_label
from lib_indetail.inversion import Inverter, ddim_nodes
from lib_indetail.picture import tensor_picture
from lib_indetail.plans import IMAGE
from lib_indetail.received import Watcher
from lib_indetail.webui.guards import undisturbed
from lib_indetail.webui.model import HostModel
from lib_indetail.webui.preparing import Prepared, Wish
from lib_indetail.webui.progress import interrupted, inversion_progress


class Seen:
    """What is wanted of a generation (`show`, of `request.SHOWN`), and the pictures so far, by title; of a batch count
    each once."""

    def __init__(self, show: Collection[str]):
        self.show = show
        self.pictures: dict[str, Image.Image] = {}

    def before(self, prepared: Sequence[Prepared], of_pass: str) -> None:
        """Before a pass is sampled: the reconstruction of each picture, and its masks at the latent's size."""
        for each in prepared:
            wish, acting = each.wish, each.acting
            size = wish.width, wish.height
            masks = {"Reference mask": acting.take, "Output mask": acting.put}
            for name, mask in masks.items() if "masks" in self.show else ():
                if mask is not None:
                    self.pictures[_title(name, each, of_pass)] = enlarged(mask, size)
            title = _title("Reconstruction", each, of_pass)
            if "reconstruction" in self.show and title not in self.pictures:
                try:
                    self.pictures[title] = reconstruction(HostModel(shared.sd_model), wish, each)[0]
                except Interrupted:
                    return

    def watcher(self) -> Watcher | None:
        return Watcher() if "attention" in self.show else None

    def after(self, prepared: Sequence[Prepared], of_pass: str, watch: Watcher | None) -> None:
        """After it: the heat map of each picture."""
        for each in prepared if watch and watch.levels else ():
            table = watch.table(each.acting.banks[IMAGE])
            title = _title("Attention", each, of_pass)
            self.pictures.setdefault(title, heat_map(
                table, [layer_label(name) for name in watch.layers], [f"{sigma:.2g}" for sigma in watch.levels],
                f"{title}: share that it receives, by layer and noise level; mean {table.mean():.2f}"))

    def append_to(self, processed) -> None:
        """Behind all that the host and other scripts have made, each with its title as infotext."""
        if self.pictures:
            aligned(processed)
        for title, picture in self.pictures.items():
            processed.images.append(picture)
            processed.infotexts.append(f"InDetail: {title}")


def aligned(processed) -> None:
    """Each picture with an infotext of its own; other scripts' pictures come without."""
    processed.infotexts += [""] * (len(processed.images) - len(processed.infotexts))


@torch.no_grad()
def reconstruction(model: HostModel, wish: Wish, prepared: Prepared) -> tuple[Image.Image, torch.Tensor]:
    """The picture as the model makes it when its inversion is sampled back without guidance, and its latent. Raises
    Interrupted."""
    with inversion_progress() as report, undisturbed(model.unet):
        inverter = Inverter(model.schedule, model.prediction, report, interrupted)
        nodes = ddim_nodes(wish.settings.nodes, len(model.schedule))
        latent = inverter.reconstruct(model.inversion_model(prepared.text, prepared.acting.clean),
                                      prepared.acting.chain, nodes)
    return tensor_picture(model.decode(latent)[0]), latent


def _title(name: str, prepared: Prepared, of_pass: str) -> str:
    return f"{name} of image prompt {prepared.acting.number}{of_pass}"
