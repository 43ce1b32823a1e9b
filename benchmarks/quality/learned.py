"""CLIP-I, CLIP-T and DINO's structure distance, with local weights in the layout of the transformers library."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import torch
from PIL import Image
from torch.nn import functional as F
from transformers import AutoImageProcessor, AutoModel, CLIPModel, CLIPTokenizer


class Clip:
    """Alignment with a picture (CLIP-I) and with a text (CLIP-T): cosines of embeddings. `folder` holds a CLIP model,
    such as openai/clip-vit-large-patch14. Raises OSError where there is none."""

    def __init__(self, folder: Path):
        self._model = CLIPModel.from_pretrained(folder, local_files_only=True).eval()
        self._look = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        self._tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)

    @torch.no_grad()
    def figures(self, made: Sequence[Image.Image], picture: Image.Image, prompt: str) -> dict[str, float]:
        """Means over what was made."""
        *_, of_picture = seen = self._seen([*made, picture])
        return {"CLIP-I": float((seen[:-1] @ of_picture).mean()),
                "CLIP-T": float((seen[:-1] @ self._read(prompt)).mean())}

    def _seen(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        pixels = self._look(images=[each.convert("RGB") for each in pictures], return_tensors="pt").pixel_values
        return _unit(self._model.get_image_features(pixel_values=pixels))

    def _read(self, prompt: str) -> torch.Tensor:
        longest = self._model.config.text_config.max_position_embeddings
        tokens = self._tokenizer(prompt, truncation=True, max_length=longest, return_tensors="pt")
        return _unit(self._model.get_text_features(**tokens))[0]


def _unit(features) -> torch.Tensor:
    """Of length 1; newer versions of the library wrap them."""
    return F.normalize(features if torch.is_tensor(features) else features.pooler_output, dim=-1)


class Dino:
    """Structure by the self-similarity of keys in the last layer of a ViT, such as facebook/dino-vitb8. `folder` holds
    one. Raises OSError where there is none."""

    def __init__(self, folder: Path):
        self._model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
        self._look = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        named = dict(self._model.named_modules())
        self._keys = named[[name for name in named if name.endswith((".key", ".k_proj"))][-1]]

    def figures(self, made: Sequence[Image.Image], picture: Image.Image) -> dict[str, float]:
        """Distance from the picture (DINO-C, where that is the condition) and between what was made (DINO-G)."""
        *of_made, of_picture = self.structure([*made, picture])
        between = [F.mse_loss(a, b) for a, b in combinations(of_made, 2)]
        return {"structure from the image prompt": float(torch.stack([F.mse_loss(a, of_picture)
                                                                      for a in of_made]).mean()),
                "structure between noises": float(torch.stack(between).mean()) if between else 0.0}

    @torch.no_grad()
    def structure(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """[n, tokens, tokens], cosines of keys."""
        heard: list[torch.Tensor] = []
        listening = self._keys.register_forward_hook(lambda _, __, keys: heard.append(keys))
        try:
            self._model(self._look(images=[each.convert("RGB") for each in pictures], return_tensors="pt").pixel_values)
        finally:
            listening.remove()
        keys = F.normalize(heard[0], dim=-1)
        return keys @ keys.transpose(1, 2)
