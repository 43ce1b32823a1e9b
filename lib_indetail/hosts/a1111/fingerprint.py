"""What a latent and a UNet's answer depend on here, as parts of a cache key."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from pathlib import Path

from modules import devices, sd_hijack, sd_vae, shared

from lib_indetail.errors import CannotAct


def of_weights(sd_model) -> tuple[Hashable, ...]:
    """Raises CannotAct where the checkpoint's file is gone."""
    info = sd_model.sd_checkpoint_info
    return (info.filename, _written(info.filename), info.sha256, sd_model.sd_model_hash, sd_vae.loaded_vae_file,
            sd_hijack.model_hijack.circular_enabled, str(devices.device))


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


def _written(filename: str) -> tuple[int, int]:
    """When a file was written and its size; it may have been replaced under its name."""
    try:
        state = Path(filename).stat()
    except OSError:
        raise CannotAct(f"the checkpoint's file {Path(filename).name} is not there any more") from None
    return state.st_mtime_ns, state.st_size
