"""Small random networks in the layout of CLIP and of DINO's ViT, as folders."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTokenizer,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
)

from embedded.files import TEXT_TOWER

SIZE, PATCH = 32, 8
SMALL = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2)
SEEN = dict(image_size=SIZE, patch_size=PATCH)


def save_clip(folder: Path) -> Path:
    torch.manual_seed(1)
    tokenizer = CLIPTokenizer.from_pretrained(TEXT_TOWER)
    CLIPModel(CLIPConfig(text_config={**SMALL, "vocab_size": len(tokenizer)}, vision_config={**SMALL, **SEEN},
                         projection_dim=8)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    return folder


def save_dino(folder: Path) -> Path:
    torch.manual_seed(2)
    ViTModel(ViTConfig(**SMALL, **SEEN)).save_pretrained(folder)
    ViTImageProcessor(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    return folder
