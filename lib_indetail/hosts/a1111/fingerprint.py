"""What a UNet's answer depends on here, beside its weights, as a part of a cache key."""

from __future__ import annotations

import sys
from collections.abc import Hashable

from modules import devices, sd_hijack, shared


def of_unet(sd_model) -> tuple[Hashable, ...]:
    return (_networks(), _hypernetworks(), getattr(sd_model, "applied_token_merged_ratio", 0),
            sd_hijack.model_hijack.optimization_method, str(devices.dtype_unet), devices.fp8, _free_u())


def _networks() -> tuple[Hashable, ...]:
    """LoRA and its kin, as the built-in extension has loaded them."""
    loaded = getattr(sys.modules.get("networks"), "loaded_networks", [])
    return tuple((each.name, each.unet_multiplier, each.te_multiplier, each.dyn_dim) for each in loaded)


def _hypernetworks() -> tuple[Hashable, ...]:
    return tuple((each.name, *(layer.multiplier for pair in each.layers.values() for layer in pair))
                 for each in shared.loaded_hypernetworks)


def _free_u() -> str:
    """FreeU keeps its settings in a global and acts in every UNet call."""
    return repr(getattr(sys.modules.get("lib_free_u.global_state"), "instance", None))
