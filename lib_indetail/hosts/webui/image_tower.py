"""The network that the WebUI looks at pictures with where it interrogates them, as far as it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from modules import devices, shared
from PIL import Image


def image_tower() -> Callable[[Image.Image], torch.Tensor] | None:
    """What gives a feature [F] of a picture. None is loaded for it: the host would have to download one."""
    interrogator = getattr(shared, "interrogator", None)
    model, preprocess = (getattr(interrogator, name, None) for name in ("clip_model", "clip_preprocess"))
    return None if model is None or preprocess is None else partial(_feature, model, preprocess)


@torch.no_grad()
def _feature(model, preprocess: Callable[[Image.Image], torch.Tensor], picture: Image.Image) -> torch.Tensor:
    """The host keeps it in main memory, maybe in half precision; it goes back there."""
    weights = next(model.parameters())
    there, device = weights.device, devices.device
    try:
        model.to(device)
        pixels = preprocess(picture.convert("RGB"))[None].to(device, weights.dtype)
        return model.encode_image(pixels)[0].float().cpu()
    finally:
        model.to(there)
