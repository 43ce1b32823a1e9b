"""What must hold still while the image latent goes through the host's UNet or VAE."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn

from lib_indetail.hosts.a1111.controlnet import without_controlnet
from lib_indetail.hosts.webui.own_attention import own_attention

_HYPERTILE = "__webui_hypertile_params"  # a string, since a class body would mangle the name


@contextlib.contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Without Hypertile, ControlNet, and other extensions' changes to attention."""
    with untiled(module), own_attention(module), without_controlnet(module):
        yield


@contextlib.contextmanager
def untiled(module: nn.Module) -> Iterator[None]:
    """Without Hypertile: its tiles are drawn at random, and drawing them for our passes would change the picture
    that is being generated."""
    tiled = [params for each in module.modules() if (params := getattr(each, _HYPERTILE, None)) and params.enabled]
    for params in tiled:
        params.enabled = False
    try:
        yield
    finally:
        for params in tiled:
            params.enabled = True
