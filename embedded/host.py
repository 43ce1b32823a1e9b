"""The embedded model as the core asks for it."""

from __future__ import annotations

import torch

from embedded.checkpoint import LatentDiffusion
from lib_indetail.run.host import Frame
from lib_indetail.run.plain_model import PlainModel


class EmbeddedModel(PlainModel):
    """A checkpoint of the layout of Stable Diffusion 1."""

    def __init__(self, checkpoint: LatentDiffusion):
        super().__init__(checkpoint.unet, checkpoint.schedule, checkpoint.prediction)
        self.encode, self.decode, self._encode_texts = checkpoint.encode, checkpoint.decode, checkpoint.text

    def text(self, prompt: str, frame: Frame) -> torch.Tensor:
        return self._encode_texts([prompt])
