"""What must hold still while the image latent goes through the host's UNet or VAE."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn

from lib_indetail.hosts.a1111.controlnet import without_controlnet

_HYPERTILE = "__webui_hypertile_params"  # a string, since a class body would mangle the name
_REGISTRIES = ("_forward_hooks", "_forward_pre_hooks")


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


@contextlib.contextmanager
def own_attention(unet: nn.Module) -> Iterator[None]:
    """Without hooks of other extensions inside attention layers: they perturb the rows of a generation, and the
    image latent's one row is not such a row. Hooks elsewhere (low-memory modes move blocks by them) stay."""
    within = [part for each in unet.modules() if hasattr(each, "to_k") for part in each.modules()]
    full = [(part, name, hooks) for part in within for name in _REGISTRIES if (hooks := getattr(part, name))]
    for part, name, hooks in full:
        setattr(part, name, type(hooks)((key, hook) for key, hook in hooks.items() if _is_ours(hook)))
    try:
        yield
    finally:
        for part, name, hooks in full:
            setattr(part, name, hooks)


def _is_ours(hook) -> bool:
    return getattr(hook, "__name__", "").startswith("indetail_")
