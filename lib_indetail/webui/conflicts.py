"""What stands in InDetail's way: models and extensions beside which it cannot act."""

from __future__ import annotations

from modules import sd_unet, shared

from lib_indetail.errors import CannotAct

_VIDEO = ("MotionWrapper", "VanillaTemporalModule")
_KNOWN_CONDITIONING = ("crossattn",)


def refuse_unsupported() -> None:
    """Raises CannotAct with one sentence, if the loaded model or what stands in its UNet's place cannot be used."""
    model = shared.sd_model
    unet = getattr(getattr(model, "model", None), "diffusion_model", None)
    if unet is None or not hasattr(unet, "output_blocks"):
        raise CannotAct("InDetail cannot act: it knows Stable Diffusion 1, 2 and XL, not this kind of model.")
    if getattr(model, "depth_model", None) is not None:
        raise CannotAct("InDetail cannot act: a depth model wants a depth map of the image prompt.")
    if sd_unet.current_unet is not None:
        raise CannotAct("InDetail cannot act: another UNet is chosen in Settings (SD Unet).")
    if any(type(module).__name__ in _VIDEO for module in unet.modules()):
        raise CannotAct("InDetail cannot act: a video module (AnimateDiff) is in the UNet.")
    _refuse_unknown_conditioning(model)


def _refuse_unknown_conditioning(model) -> None:
    key = getattr(model.model, "conditioning_key", None)
    if getattr(model, "is_sdxl", False):
        known = not getattr(model, "is_sdxl_inpaint", False)
    else:
        known = key in _KNOWN_CONDITIONING
    if not known:
        raise CannotAct(f"InDetail cannot act: it does not know this model's extra inputs ({key}).")
