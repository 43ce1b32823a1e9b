"""How much room keys and values will need, told by the UNet's shape before any of them is recorded."""

from __future__ import annotations

from torch import nn

from lib_indetail.attention.layers import self_attention_layers
from lib_indetail.attention.sites import BLOCKS

STEPS = {"Downsample": 1, "Upsample": -1}
"""By the names that ldm and sgm have for the modules that halve and double width and height."""


def level_bytes(unet: nn.Module, blocks: str, cells: tuple[int, int], bytes_each: int) -> int:
    """What one bank takes at one noise level, of a latent of h x w `cells`, in numbers of `bytes_each`."""
    halved = halvings(unet)
    return sum(2 * _tokens(cells, halved[name]) * module.to_k.out_features * bytes_each
               for name, module in self_attention_layers(unet, blocks).items())


def halvings(unet: nn.Module) -> dict[str, int]:
    """How often width and height were halved on the way to each module, by name."""
    found, depth = {}, 0
    for part in BLOCKS["all"]:
        top = part.rstrip(".")
        for name, module in unet.get_submodule(top).named_modules(prefix=top):
            depth += STEPS.get(type(module).__name__, 0)
            found[name] = depth
    return found


def _tokens(cells: tuple[int, int], halved: int) -> int:
    height, width = (-(-side // 2**halved) for side in cells)
    return height * width
