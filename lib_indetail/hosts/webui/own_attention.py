"""Attention layers of the image latent, past the hooks of other extensions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from lib_indetail.attention.host_attention import HostAttention

_REGISTRIES = ("_forward_hooks", "_forward_pre_hooks")


class OwnAttention(HostAttention):
    """The host's, for rows that are no rows of a generation."""

    def keys_values(self, module: nn.Module, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with own_attention(module):
            return super().keys_values(module, context)

    def attend(self, module: nn.Module, *args, **kwargs) -> torch.Tensor:
        with own_attention(module):
            return super().attend(module, *args, **kwargs)


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
