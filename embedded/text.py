"""The embedded checkpoint's text tower: CLIP's tokenizer and a two-layer CLIP text model."""

from __future__ import annotations

import warnings

import torch
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from embedded.files import TEXT_TOWER

LAST_BIAS = 0.3  # keeps the mean of an embedding off zero: the WebUI's emphasis divides by it


class TextEncoder(nn.Module):
    """Prompt -> [n, 77, 64] rows of cross-attention context."""

    def __init__(self):
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            self.tokenizer = CLIPTokenizer.from_pretrained(TEXT_TOWER)
        self.transformer = CLIPTextModel(CLIPTextConfig.from_pretrained(TEXT_TOWER))
        text_model = getattr(self.transformer, "text_model", self.transformer)  # gone in newer transformers
        nn.init.constant_(text_model.final_layer_norm.bias, LAST_BIAS)

    def tokenize(self, prompts: list[str]) -> torch.Tensor:
        return self.tokenizer(prompts, padding="max_length", truncation=True, max_length=77,
                              return_tensors="pt").input_ids

    def forward(self, prompts: list[str] | torch.Tensor) -> torch.Tensor:
        tokens = prompts if torch.is_tensor(prompts) else self.tokenize(prompts)
        return self.transformer(input_ids=tokens).last_hidden_state
