"""What a training gives: six files, none of 16 MiB, that can travel; and joined, a checkpoint as a WebUI takes it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from embedded.checkpoint import UNET_PREFIX, control_weights, halved, save_weights, weights_of
from embedded.control import ControlNet
from embedded.export import host_config
from embedded.files import TEXT_TOWER
from embedded.materials.autoencoder import SIZES
from embedded.materials.judge import MaterialJudge
from embedded.model import AutoencoderKL
from embedded.text import TextEncoder

MOST_BYTES = 16 * 2**20
NAME = "indetail_materials"
WEIGHTS = ("unet-1", "unet-2", "vae-and-text", "control", "judge")
SHEET = "sheet.jpg"


def split(folder: Path, unet: nn.Module, text: TextEncoder, vae: AutoencoderKL, control: ControlNet,
          judge: MaterialJudge, scale: float, about: dict) -> list[Path]:
    """Write the files of weights. `about` (silhouettes' names, losses, ...) goes along with the judge."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = weights_of(unet, text, vae)
    of_unet = [key for key in weights if key.startswith(UNET_PREFIX)]
    first, total, half = set(), 0, sum(weights[key].numel() for key in of_unet) / 2
    for key in of_unet:
        if total < half:
            first.add(key)
            total += weights[key].numel()
    parts = {"unet-1": {key: weights[key] for key in of_unet if key in first},
             "unet-2": {key: weights[key] for key in of_unet if key not in first},
             "vae-and-text": {key: value for key, value in weights.items() if key not in of_unet},
             "control": control_weights(control), "judge": halved(judge)}
    metadata = {"vae-and-text": {"scale_factor": repr(scale)}, "judge": {"about": json.dumps(about)}}
    paths = []
    for name in WEIGHTS:
        paths.append(folder / f"{name}.safetensors")
        save_weights(parts[name], paths[-1], metadata.get(name))
        if paths[-1].stat().st_size >= MOST_BYTES:
            raise ValueError(f"{name} has {paths[-1].stat().st_size / 2**20:.1f} MiB, which is too much to travel.")
    return paths


def join(parts: Path, models: Path) -> list[Path]:
    """Checkpoint, yaml, tokenizer and ControlNet in the subfolders of a WebUI's folder `models`. The yaml names the
    tokenizer by its absolute path."""
    checkpoints, controls = (models.resolve() / name for name in ("Stable-diffusion", "ControlNet"))
    for folder in (checkpoints, controls):
        folder.mkdir(parents=True, exist_ok=True)
    weights = {key: value for name in WEIGHTS[:3] for key, value in load_file(_part(parts, name)).items()}
    scale = float(_metadata(parts, "vae-and-text")["scale_factor"])
    checkpoint, config = checkpoints / f"{NAME}.safetensors", checkpoints / f"{NAME}.yaml"
    save_weights(weights, checkpoint, {"scale_factor": repr(scale)})
    tower = checkpoints / "text_tower"
    shutil.copytree(TEXT_TOWER, tower, dirs_exist_ok=True)
    config.write_text(json.dumps(host_config(tower, scale, **SIZES), indent=2))  # JSON is YAML
    return [checkpoint, config, tower, Path(shutil.copy(_part(parts, "control"), controls / "control_edge_materials"
                                                                                            ".safetensors"))]


def load_judge(parts: Path) -> tuple[MaterialJudge, dict]:
    """With what was written along with it."""
    about = json.loads(_metadata(parts, "judge")["about"])
    judge = MaterialJudge(len(about["shapes"]))
    judge.load_state_dict({key: value.float() for key, value in load_file(_part(parts, "judge")).items()})
    return judge.eval().requires_grad_(False), about


def pictures_side_by_side(rows: list[torch.Tensor], path: Path, side: int = 128) -> Path:
    """A sheet: each row of pictures [n, 3, H, W] in 0..1."""
    sheet = Image.new("RGB", (max(map(len, rows)) * (side + 4), len(rows) * (side + 4)), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            pixels = (picture.float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
            sheet.paste(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS),
                        (x * (side + 4), y * (side + 4)))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=88)
    return path


def _part(parts: Path, name: str) -> Path:
    return parts / f"{name}.safetensors"


def _metadata(parts: Path, name: str) -> dict[str, str]:
    with safe_open(_part(parts, name), "pt") as file:
        return file.metadata()
