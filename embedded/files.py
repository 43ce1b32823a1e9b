"""The embedded model's files and sizes. Standard library only: whoever has Python can export it."""

from __future__ import annotations

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
TEXT_TOWER = HERE / "text_tower"
WEIGHTS = HERE / "weights"
CHECKPOINT = WEIGHTS / "indetail_embedded.safetensors"
CONTROL = WEIGHTS / "control_edge_embedded.safetensors"
JUDGE = WEIGHTS / "judge.safetensors"

CONTEXT_DIM = 64
UNET = dict(image_size=16, in_channels=4, out_channels=4, model_channels=64, attention_resolutions=[1, 2, 4],
            num_res_blocks=2, channel_mult=[1, 2, 2], num_heads=4, use_spatial_transformer=True,
            transformer_depth=1, context_dim=CONTEXT_DIM, use_checkpoint=False, legacy=False)
VAE = dict(double_z=True, z_channels=4, resolution=128, in_channels=3, out_ch=3, ch=64, ch_mult=[1, 1, 1, 1],
           num_res_blocks=0, attn_resolutions=[], dropout=0.0)


def stored_scale(path: Path = CHECKPOINT) -> float:
    """The latent scale in a checkpoint's metadata, else Stable Diffusion's. A safetensors file begins with its
    header: eight bytes for the length, then JSON."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return float(header.get("__metadata__", {}).get("scale_factor", 0.18215))
