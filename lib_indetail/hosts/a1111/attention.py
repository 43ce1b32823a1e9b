"""The WebUI's attention: whatever optimisation is chosen, with hypernetworks on the way to keys and values."""

from __future__ import annotations

import torch
from modules import shared
from modules.hypernetworks import hypernetwork
from torch import nn

from lib_indetail.hosts.webui.own_attention import OwnAttention, own_attention


class WebuiAttention(OwnAttention):
    def keys_values(self, module: nn.Module, context: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        for_keys, for_values = hypernetwork.apply_hypernetworks(shared.loaded_hypernetworks, context)
        with own_attention(module):
            return module.to_k(for_keys), module.to_v(for_values)
