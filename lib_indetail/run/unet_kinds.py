"""Kinds of UNet that cannot be hooked, in whatever host."""

from __future__ import annotations

from torch import nn

from lib_indetail.errors import CannotAct

_VIDEO = ("MotionWrapper", "VanillaTemporalModule")


def refuse_unet(unet: nn.Module | None) -> None:
    """Raises CannotAct, by name: another family than Stable Diffusion 1, 2 and XL, a compiled one, and one with video
    modules in it."""
    if unet is None or not hasattr(unet, "output_blocks"):
        raise CannotAct("it knows Stable Diffusion 1, 2 and XL, not this kind of model")
    if hasattr(unet, "_orig_mod"):
        raise CannotAct("the UNet is compiled (torch.compile), where hooks may be skipped")
    if any(type(module).__name__ in _VIDEO for module in unet.modules()):
        raise CannotAct("a video module (AnimateDiff) is in the UNet")
