"""Small random checkpoints of every UNet family, made by the host's own classes: `build(webui, folder)`.

Run as a script by the host's interpreter; all have the embedded model's autoencoder, so that their pictures are
decoded like its.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
OPEN_CLIP = Path(__file__).parent / "families" / "indetail-tiny.json"
WIDTH = 64  # of both text towers

LDM_UNET = dict(image_size=16, in_channels=4, out_channels=4, model_channels=32, attention_resolutions=[4, 2, 1],
                num_res_blocks=2, channel_mult=[1, 2, 4, 4], num_heads=4, use_spatial_transformer=True,
                transformer_depth=1, context_dim=WIDTH, use_checkpoint=False, legacy=False)
SD15_UNET = {**LDM_UNET, "model_channels": 320, "num_heads": 8}
SGM_UNET = dict(adm_in_channels=WIDTH + 3 * 2 * 16, num_classes="sequential", use_checkpoint=False, in_channels=4,
                out_channels=4, model_channels=32, attention_resolutions=[4, 2], num_res_blocks=2,
                channel_mult=[1, 2, 4], num_head_channels=16, use_spatial_transformer=True,
                use_linear_in_transformer=True, transformer_depth=[1, 2, 10], context_dim=2 * WIDTH,
                spatial_transformer_attn_type="softmax", legacy=False)
REFINER_UNET = {**SGM_UNET, "adm_in_channels": WIDTH + 2 * 2 * 16 + 16, "channel_mult": [1, 2, 4, 4],
                "transformer_depth": 4, "context_dim": [WIDTH] * 4}

LDM, SGM = "ldm.modules", "sgm.modules"
SD, EDIT = "ldm.models.diffusion.ddpm.LatentDiffusion", "modules.models.diffusion.ddpm_edit.LatentDiffusion"
INPAINT = "ldm.models.diffusion.ddpm.LatentInpaintDiffusion"


def ldm_config(vae: dict, scale: float, tower: str, unet: dict, *, target: str = SD, open_clip: bool = False,
               **params) -> dict:
    """A model in SD 1's or 2's format."""
    text = ({"target": f"{LDM}.encoders.modules.FrozenOpenCLIPEmbedder",
             "params": {"arch": "indetail-tiny", "version": "none", "freeze": True, "layer": "penultimate"}}
            if open_clip else {"target": f"{LDM}.encoders.modules.FrozenCLIPEmbedder", "params": {"version": tower}})
    return {"target": target, "params": {
        "linear_start": 0.00085, "linear_end": 0.0120, "timesteps": 1000, "num_timesteps_cond": 1,
        "first_stage_key": "jpg", "cond_stage_key": "txt", "image_size": 16, "channels": 4,
        "cond_stage_trainable": False, "conditioning_key": "crossattn", "scale_factor": scale, "use_ema": False,
        "monitor": "val/loss_simple_ema",
        "unet_config": {"target": f"{LDM}.diffusionmodules.openaimodel.UNetModel", "params": unet},
        "first_stage_config": {"target": "ldm.models.autoencoder.AutoencoderKL", "params": {
            "embed_dim": 4, "monitor": "val/rec_loss", "ddconfig": vae, "lossconfig": {"target": "torch.nn.Identity"}}},
        "cond_stage_config": text, **params}}


def sgm_config(vae: dict, scale: float, tower: str, unet: dict, numbers: tuple[str, ...], clip: bool) -> dict:
    """A model in SDXL's format; `numbers` names what its size vector holds."""
    text = {"is_trainable": False, "input_key": "txt", "target": f"{SGM}.encoders.modules.FrozenCLIPEmbedder",
            "params": {"version": tower, "layer": "hidden", "layer_idx": 1}}
    pooled = {"is_trainable": False, "input_key": "txt", "target": f"{SGM}.encoders.modules.FrozenOpenCLIPEmbedder2",
              "params": {"arch": "indetail-tiny", "version": "none", "freeze": True, "layer": "penultimate",
                         "always_return_pooled": True, "legacy": False}}
    sizes = [{"is_trainable": False, "input_key": name, "params": {"outdim": 16},
              "target": f"{SGM}.encoders.modules.ConcatTimestepEmbedderND"} for name in numbers]
    denoiser = f"{SGM}.diffusionmodules"
    return {"target": "sgm.models.diffusion.DiffusionEngine", "params": {
        "scale_factor": scale, "disable_first_stage_autocast": True,
        "denoiser_config": {"target": f"{denoiser}.denoiser.DiscreteDenoiser", "params": {
            "num_idx": 1000, "weighting_config": {"target": f"{denoiser}.denoiser_weighting.EpsWeighting"},
            "scaling_config": {"target": f"{denoiser}.denoiser_scaling.EpsScaling"},
            "discretization_config": {"target": f"{denoiser}.discretizer.LegacyDDPMDiscretization"}}},
        "network_config": {"target": f"{denoiser}.openaimodel.UNetModel", "params": unet},
        "conditioner_config": {"target": f"{SGM}.GeneralConditioner", "params": {
            "emb_models": [*([text] if clip else []), pooled, *sizes]}},
        "first_stage_config": {"target": "sgm.models.autoencoder.AutoencoderKLInferenceWrapper", "params": {
            "embed_dim": 4, "monitor": "val/rec_loss", "ddconfig": {"attn_type": "vanilla", **vae},
            "lossconfig": {"target": "torch.nn.Identity"}}}}}


def configs(vae: dict, scale: float, tower: str) -> dict[str, dict]:
    """Every family's model by name."""
    common = vae, scale, tower
    sizes = ("original_size_as_tuple", "crop_coords_top_left", "target_size_as_tuple")
    return {
        "sd1": ldm_config(*common, LDM_UNET),
        "sd1-other": ldm_config(*common, LDM_UNET),
        "sd2-v": ldm_config(*common, {**LDM_UNET, "use_linear_in_transformer": True}, open_clip=True,
                            parameterization="v"),
        "inpainting": ldm_config(*common, {**LDM_UNET, "in_channels": 9}, target=INPAINT, conditioning_key="hybrid",
                                 finetune_keys=None),
        "pix2pix": ldm_config(*common, {**LDM_UNET, "in_channels": 8}, target=EDIT, conditioning_key="hybrid",
                              cond_stage_key="edit", first_stage_key="edited"),
        "sdxl": sgm_config(*common, SGM_UNET, sizes, clip=True),
        "sdxl-refiner": sgm_config(*common, REFINER_UNET, (*sizes[:2], "aesthetic_score"), clip=False),
        "sd15-shaped": ldm_config(*common, SD15_UNET),
    }


PROMPT = "a red star on a striped ground"


def build(webui: Path, python: str, folder: Path, names: tuple[str, ...]) -> None:
    """Write the named checkpoints, each with its yaml, and with what its own text towers make of PROMPT, into
    `folder`."""
    subprocess.run([python, __file__, str(webui), str(folder), *names], check=True, capture_output=True, text=True,
                   cwd=ROOT)


def _state(config: dict, seed: int):
    """The weights of a model: random, with nothing left at zero; of text towers not even biases, since the host divides
    by the mean of a text's encoding, which a last normalisation without a bias would leave at rounding. The
    autoencoder's are the embedded model's."""
    import torch
    from ldm.util import instantiate_from_config
    from safetensors.torch import load_file

    from embedded.checkpoint import CHECKPOINT, VAE_PREFIX

    torch.manual_seed(seed)
    params = config["params"]
    parts = {"model.diffusion_model.": params.get("unet_config") or params["network_config"]}
    if "cond_stage_config" in params:
        parts["cond_stage_model."] = params["cond_stage_config"]
    conditioner = params.get("conditioner_config", {"params": {"emb_models": []}})
    for i, embedder in enumerate(conditioner["params"]["emb_models"]):
        parts[f"conditioner.embedders.{i}."] = {key: embedder[key] for key in ("target", "params")}
    weights = {key: value.float() for key, value in load_file(CHECKPOINT).items() if key.startswith(VAE_PREFIX)}
    for prefix, part in parts.items():
        for key, value in instantiate_from_config(part).state_dict().items():
            is_text = not prefix.startswith("model.")
            if value.is_floating_point() and (value.ndim > 1 or is_text) and not value.any():
                value = torch.randn_like(value) * 0.05
            weights[prefix + key] = value.contiguous()
    return weights


def _text(config: dict, weights: dict) -> dict[str, list]:
    """Of PROMPT at 128 x 128: [1, tokens, D], and SDXL's vector, by the classes that the yaml names."""
    import torch
    from ldm.util import instantiate_from_config

    params, size = config["params"], torch.tensor([[128, 128]])
    key = "cond_stage" if "cond_stage_config" in params else "conditioner"
    towers = instantiate_from_config(params["cond_stage_config"] if key == "cond_stage" else
                                     params["conditioner_config"]).eval()
    prefix = "cond_stage_model." if key == "cond_stage" else "conditioner."
    towers.load_state_dict({name.removeprefix(prefix): value for name, value in weights.items()
                            if name.startswith(prefix)})
    for tower in towers.modules():
        if isinstance(getattr(tower, "device", None), str):
            tower.device = "cpu"
        if getattr(tower, "batch_first", False):  # of a newer open_clip than these classes know
            tower.batch_first = False
    with torch.no_grad():
        if key == "cond_stage":
            return {"context": towers.encode([PROMPT]).tolist()}
        made = towers({"txt": [PROMPT], "original_size_as_tuple": size, "crop_coords_top_left": size * 0,
                       "target_size_as_tuple": size, "aesthetic_score": torch.tensor([[6.0]])})
    return {"context": made["crossattn"].tolist(), "y": made["vector"].tolist()}


def _main(webui: str, folder: str, *names: str) -> None:
    for repository in ("stable-diffusion-stability-ai", "generative-models"):
        sys.path.insert(0, str(Path(webui) / "repositories" / repository))
    sys.path.insert(0, str(ROOT))
    import open_clip
    import transformers
    from safetensors.torch import save_file

    from embedded.files import TEXT_TOWER, VAE, stored_scale

    transformers.CLIPTextModel.from_pretrained = classmethod(
        lambda cls, name, **_: cls(transformers.CLIPTextConfig.from_pretrained(name)))
    made = open_clip.create_model_and_transforms
    open_clip.create_model_and_transforms = lambda *args, pretrained=None, **kwargs: made(*args, **kwargs)
    open_clip.add_model_config(OPEN_CLIP)
    known = configs(VAE, stored_scale(), str(TEXT_TOWER))
    for seed, name in enumerate(known):
        if name in names:
            weights = _state(known[name], seed)
            save_file(weights, Path(folder) / f"{name}.safetensors")
            (Path(folder) / f"{name}.text.json").write_text(json.dumps(_text(known[name], weights)))
            (Path(folder) / f"{name}.yaml").write_text(json.dumps({"model": known[name]}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
