"""Writes the embedded model as a WebUI wants it: checkpoint, yaml, tokenizer folder, ControlNet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from embedded.files import CHECKPOINT, CONTEXT_DIM, CONTROL, TEXT_TOWER, UNET, VAE, stored_scale


def export(models: Path) -> list[Path]:
    """Write into the subfolders of a WebUI's folder `models`, and name the files.

    The yaml beside the checkpoint names the tokenizer folder by its absolute path: the WebUI's text embedder
    takes a model name or a folder.
    """
    checkpoints, controls = (models.resolve() / name for name in ("Stable-diffusion", "ControlNet"))
    for folder in (checkpoints, controls):
        folder.mkdir(parents=True, exist_ok=True)
    tower = checkpoints / "text_tower"
    shutil.copytree(TEXT_TOWER, tower, dirs_exist_ok=True)
    checkpoint = Path(shutil.copy(CHECKPOINT, checkpoints))
    control = Path(shutil.copy(CONTROL, controls))
    config = checkpoint.with_suffix(".yaml")
    config.write_text(json.dumps(host_config(tower), indent=2))  # JSON is YAML
    return [checkpoint, config, tower, control]


def host_config(tower: Path, scale: float | None = None, **vae: object) -> dict:
    """The model's configuration in Stable Diffusion's format; `scale` and `vae` are another autoencoder's."""
    modules = "ldm.modules"
    return {"model": {"target": "ldm.models.diffusion.ddpm.LatentDiffusion", "params": {
        "linear_start": 0.00085, "linear_end": 0.0120, "timesteps": 1000, "num_timesteps_cond": 1,
        "first_stage_key": "jpg", "cond_stage_key": "txt", "image_size": 16, "channels": 4,
        "cond_stage_trainable": False, "conditioning_key": "crossattn", "scale_factor": scale or stored_scale(),
        "use_ema": False, "monitor": "val/loss_simple_ema",
        "unet_config": {"target": f"{modules}.diffusionmodules.openaimodel.UNetModel",
                        "params": UNET | {"context_dim": CONTEXT_DIM}},
        "first_stage_config": {"target": "ldm.models.autoencoder.AutoencoderKL", "params": {
            "embed_dim": 4, "monitor": "val/rec_loss", "ddconfig": VAE | vae,
            "lossconfig": {"target": "torch.nn.Identity"}}},
        "cond_stage_config": {"target": f"{modules}.encoders.modules.FrozenCLIPEmbedder",
                              "params": {"version": str(tower)}}}}}
