"""Pictures as text, by name and as tensors."""

from __future__ import annotations

import base64
import hashlib
import io

import numpy as np
import torch
from PIL import Image


def data_uri(picture: Image.Image) -> str:
    """The picture as text, exact: PNG in base64, as `opening.decoded` takes it."""
    data = io.BytesIO()
    picture.save(data, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def picture_hash(picture: Image.Image) -> str:
    """Twelve hex digits that name a picture by its size and pixels, whatever file they came from."""
    return hashlib.sha256(f"{picture.size} ".encode() + picture.tobytes()).hexdigest()[:12]


def picture_tensor(picture: Image.Image) -> torch.Tensor:
    """[1, 3, H, W] in -1..1."""
    values = torch.from_numpy(np.array(picture, np.float32))
    return values.permute(2, 0, 1)[None] / 127.5 - 1


def tensor_picture(tensor: torch.Tensor) -> Image.Image:
    """The picture of [3, H, W] in -1..1."""
    values = tensor.detach().float().clamp(-1, 1).add(1).mul(127.5).round().byte()
    return Image.fromarray(values.permute(1, 2, 0).cpu().numpy())
