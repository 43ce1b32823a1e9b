"""What stands in InDetail's way: models and extensions beside which it cannot act."""

from __future__ import annotations

import inspect
from pathlib import Path

from modules import paths_internal, sd_models, sd_unet, shared

from lib_indetail.errors import CannotAct
from lib_indetail.run.unet_kinds import refuse_unet

_KNOWN = (("crossattn", 4), ("hybrid", 9), ("hybrid", 8))
"""How a UNet takes its conditions, and its input channels: text alone, inpainting, instruct-pix2pix."""


def standing_conflict() -> str | None:
    """The same sentence before a generation, or None; loads no model."""
    model = sd_models.model_data.sd_model
    try:
        if model is not None:
            refuse(model)
    except CannotAct as error:
        return str(error)
    return None


def refuse(model) -> None:
    """Raises CannotAct if a loaded model or what stands in its UNet's place cannot be used."""
    unet = getattr(getattr(model, "model", None), "diffusion_model", None)
    refuse_unet(unet)
    if getattr(model, "depth_model", None) is not None:
        raise CannotAct("a depth model wants a depth map of the image prompt")
    if sd_unet.current_unet is not None:
        raise CannotAct("another UNet is chosen in Settings (SD Unet)")
    _refuse_unknown_conditioning(model)


def _refuse_unknown_conditioning(model) -> None:
    key, channels = getattr(model.model, "conditioning_key", None), model.model.diffusion_model.in_channels
    if (key, channels) not in _KNOWN and not getattr(model, "is_sdxl_inpaint", False):
        raise CannotAct(f"it does not know this model's extra inputs ({key}, {channels} channels)")


def suspects(denoiser) -> tuple[str, ...]:
    """The extensions that have put functions of their own around the model in this pass."""
    model = shared.sd_model
    replaced = [vars(owner).get(name) for owner in (denoiser, denoiser.inner_model, model, model.model)
                for name in ("forward", "apply_model")]
    return tuple(sorted({name for function in replaced if (name := extension_of(function))}))


def extension_of(function) -> str | None:
    """The folder name of the extension, other than ours, that a function's code lies in."""
    function = getattr(function, "func", function)  # of a partial
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    file = Path(code.co_filename) if code else None
    folder = Path(paths_internal.extensions_dir)
    if file is None or not file.is_relative_to(folder) or file.is_relative_to(Path(__file__).parents[3]):
        return None
    return file.relative_to(folder).parts[0]
