"""The requests: at most four steps each, and no two of them alike but for the seed."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

FIRST = {"prompt": "a star", "negative_prompt": "", "seed": 11, "steps": 4, "width": 128, "height": 128, "cfg_scale": 5,
         "sampler_name": "Euler", "scheduler": "Automatic"}


@dataclass(frozen=True)
class Frozen:
    """One request. `wish` is InDetail's object, None without it; `fields` are the host's. `saves` are presets to save
    before; `after` names the request whose infotext is sent in place of everything; `by_position` sends the wish as the
    page does."""

    wish: Mapping[str, Any] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    mode: str = "txt2img"
    saves: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    after: str | None = None
    by_position: bool = False


def text_of(picture: Image.Image) -> str:
    """As base64."""
    data = io.BytesIO()
    picture.save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


@cache
def picture(kind: int, width: int = 128, height: int = 128) -> str:
    """An image prompt of stripes, rings or checks, each in its colours, as base64."""
    y, x = np.mgrid[:height, :width] / 16.0
    waves = (np.sin(3 * x + y), np.cos(2 * np.hypot(x - 4, y - 4)), np.sign(np.sin(2.5 * x) * np.sin(2.5 * y)))[kind]
    dark, light = (((30, 20, 90), (240, 180, 40)), ((120, 10, 30), (230, 230, 210)), ((10, 90, 60), (250, 120, 160)))[
        kind]
    share = (waves[..., None] + 1) / 2
    return text_of(Image.fromarray((np.array(dark) * (1 - share) + np.array(light) * share).astype(np.uint8)))


@cache
def mask(*box: int, soft: bool = False) -> str:
    """White within the box of 128 x 128; soft: falling off to its right."""
    values = np.zeros((128, 128), np.uint8)
    left, top, right, bottom = box
    values[top:bottom, left:right] = np.linspace(255, 40, right - left) if soft else 255
    return text_of(Image.fromarray(values))


@cache
def seen_through() -> str:
    """An image prompt whose left third is transparent."""
    alpha = np.full((128, 128, 1), 255, np.uint8)
    alpha[:, :42] = 0
    colours = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture(1)))))
    return text_of(Image.fromarray(np.concatenate([colours, alpha], 2)))


def unit(**changes: Any) -> dict[str, Any]:
    """The host's fields for one ControlNet unit with the embedded model."""
    edges = np.zeros((128, 128), np.uint8)
    edges[32:96, [32, 95]] = edges[[32, 95], 32:96] = 255
    unit = {"enabled": True, "module": "none", "model": "control_edge_embedded", "weight": 1.0,
            "image": text_of(Image.fromarray(edges).convert("RGB")), "resize_mode": "Crop and Resize",
            "control_mode": "Balanced", "pixel_perfect": False, "guidance_start": 0.0, "guidance_end": 1.0}
    return {"alwayson_scripts": {"controlnet": {"args": [{**unit, **changes}]}}}


SAMPLERS = (("Euler a", "Automatic"), ("DPM++ 2M", "Karras"), ("DPM++ 2M", "Exponential"), ("DPM++ SDE", "Karras"),
            ("DPM++ 3M SDE", "Automatic"), ("Heun", "Automatic"), ("LMS", "Automatic"), ("DPM2", "Karras"),
            ("DPM fast", "Automatic"), ("DPM adaptive", "Automatic"), ("DDIM", "Automatic"), ("PLMS", "Automatic"),
            ("UniPC", "Automatic"), ("LCM", "Automatic"), ("Restart", "Automatic"))
HIRES = {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent", "denoising_strength": 0.7,
         "hr_second_pass_steps": 3}
IMG2IMG = {"init_images": [picture(2)], "denoising_strength": 0.6}
INPAINT = {**IMG2IMG, "mask": mask(32, 32, 96, 96), "denoising_strength": 0.8}
ONLY_MASKED = {**INPAINT, "inpaint_full_res": True, "inpaint_full_res_padding": 8}
OWN = {"lambda_image": 0.8, "stratified_until": 0.5, "inversion_text": "own text", "own_text": "a red ring, striped"}


def _settings() -> dict[str, Frozen]:
    """One setting at a time, and a few together."""
    changes = {
        "strength": {"strength": 0.5}, "lambda 0": {"lambda_image": 0}, "lambda 1": {"lambda_image": 1.0},
        "stratified never": {"stratified_until": 0}, "stratified always": {"stratified_until": 1.0},
        "conflicting": {"guidance": 0}, "half guidance": {"guidance": 0.5}, "window": {"start": 0.3, "end": 0.8},
        "replacement": {"replacement_until": 0.6}, "without AdaIN": {"adain": 0}, "half AdaIN": {"adain": 0.5},
        "refined": {"inversion": "refined", "nodes": 4}, "re-noise": {"inversion": "re-noise"},
        "one pass": {"inversion": "one pass"}, "parallel": {"inversion": "parallel"}, "nodes": {"nodes": 7},
        "middle too": {"blocks": "middle and decoder"}, "all blocks": {"blocks": "all"}, "own text": OWN,
        "suffix": {"suffix": ", best quality"}, "falling strength": {"strength_schedule": "cosine"},
        "lambda through points": {"lambda_schedule": "0:0.9, 0.1:0.2"}, "fine blocks": {"block_weights": "detail"},
        "weights through points": {"block_weights": "0:0.3, 1:1", "blocks": "all"}, "offset": {"inversion_offset": 0.4},
        "colour match": {"colour_match": 0.8, "colour_until": 0.6}, "not wanted": {"side": "negative"},
        "strength 0": {"strength": 0}, "off": {"enabled": False},
    }
    return {name: Frozen({"image": picture(0), "nodes": 5, **values}) for name, values in changes.items()}


def _passes() -> dict[str, Frozen]:
    """What the host does with a generation."""
    one = {"image": picture(0), "nodes": 5}
    colours = {**one, "colour_match": 0.7, "colour_until": 1.0}
    kinds = {
        "batch": ("txt2img", one, {"batch_size": 2, "n_iter": 2}),
        "AND": ("txt2img", one, {"prompt": "a star AND a circle :0.5", "batch_size": 2}),
        "prompt editing": ("txt2img", one, {"prompt": "[a star:a ring:2], (dotted:1.3)"}),
        "CFG 1": ("txt2img", one, {"cfg_scale": 1}),
        "negative prompt": ("txt2img", {**one, "guidance": 0.2}, {"negative_prompt": "a ring"}),
        "skipped uncond": ("txt2img", one, {"s_min_uncond": 3.0, "sampler_name": "Euler a"}),
        "row by row": ("txt2img", one, {"override_settings": {"batch_cond_uncond": False}, "batch_size": 2}),
        "merged tokens": ("txt2img", one, {"override_settings": {"token_merging_ratio": 0.4}}),
        "whole timesteps": ("txt2img", one, {"override_settings": {"enable_quantization": True}}),
        "crop": ("txt2img", one, {"width": 192}), "stretch": ("txt2img", {**one, "resize": "stretch"}, {"height": 192}),
        "fit": ("txt2img", {**one, "resize": "fit"}, {"width": 192}),
        "hires": ("txt2img", one, HIRES), "hires, first pass": ("txt2img", {**one, "passes": "first"}, HIRES),
        "hires, second pass": ("txt2img", {**one, "passes": "second"}, HIRES),
        "hires, other values": ("txt2img", {**one, "hires_strength": "0.4", "hires_lambda": "linear"},
                                {**HIRES, "hr_prompt": "a ring", "hr_sampler_name": "DDIM"}),
        "refiner": ("txt2img", one, {"refiner_checkpoint": "sd1-other.safetensors", "refiner_switch_at": 0.5}),
        "refiner, hires": ("txt2img", one, {**HIRES, "refiner_checkpoint": "sd1-other.safetensors",
                                            "refiner_switch_at": 0.5}),
        "img2img": ("img2img", one, IMG2IMG), "inpaint": ("img2img", colours, INPAINT),
        "img2img, DDIM": ("img2img", colours, {**IMG2IMG, "sampler_name": "DDIM"}),
        "inpaint, DDIM": ("img2img", one, {**INPAINT, "sampler_name": "DDIM"}),
        "only masked": ("img2img", one, ONLY_MASKED),
        "only masked, same part": ("img2img", {**one, "inpaint_reference": "same part",
                                               "output_mask": mask(0, 0, 80, 128)}, ONLY_MASKED),
        "colour match, DDIM": ("txt2img", colours, {"sampler_name": "DDIM"}),
        **{f"{sampler}, {scheduler}": ("txt2img", one, {"sampler_name": sampler, "scheduler": scheduler})
           for sampler, scheduler in SAMPLERS},
        **{name: ("txt2img", one, {"override_settings": {"sd_model_checkpoint": f"{name}.safetensors"}})
           for name in ("sd2-v", "inpainting", "sdxl")},
    }
    return {name: Frozen(wish, fields, mode) for name, (mode, wish, fields) in kinds.items()}


def _pictures() -> dict[str, Frozen]:
    """Several image prompts, and masks."""
    two = {"image": picture(0), "nodes": 5, "images": [{"image": picture(1), "weight": 0.6}]}
    three = {**two, "images": [*two["images"], {"image": picture(2), "lambda_image": 0.9, "strength": 0.7}]}
    against = {**two, "images": [{"image": picture(1), "side": "negative", "strength": 0.8}]}
    half, quarter = mask(0, 0, 64, 128), mask(64, 0, 128, 128, soft=True)
    batch = {"batch_size": 2, "n_iter": 2}
    wishes = {
        "two": (two, {}), "three": (three, {}),
        "one per image": ({**two, "spread": "one per image"}, {"batch_size": 3}),
        "cycled": ({**three, "spread": "cycled"}, batch), "one not wanted": (against, {"batch_size": 2}),
        "two, conflicting": ({**two, "guidance": 0.4, "colour_match": 0.5}, {}),
        "two halves": ({**two, "output_mask": half, "images": [{"image": picture(1), "output_mask": quarter}]}, {}),
        "part of it": ({**two, "images": [], "reference_mask": half}, {}),
        "part of it, softly": ({**two, "images": [], "reference_mask": quarter, "stratified_until": 0.4}, {}),
        "in a part": ({**two, "images": [], "output_mask": quarter}, {"batch_size": 2}),
        "transparent": ({"image": seen_through(), "nodes": 5, "resize": "fit"}, {"width": 160}),
        "painted": ({"image": {"image": picture(0), "mask": half}, "nodes": 5}, {}),
        "shown": ({**two, "show": ["reconstruction", "masks", "attention"], "output_mask": half}, {}),
    }
    return {name: Frozen(wish, fields) for name, (wish, fields) in wishes.items()}


def _beside() -> dict[str, Frozen]:
    """ControlNet, presets, scripts, infotext, and what is refused."""
    one = {"image": picture(0), "nodes": 5}
    guided = {**one, "task": "structure-guided"}
    reference = unit(module="reference_only", model="None", image=picture(1), threshold_a=0.5)
    plot = {"script_name": "x/y/z plot", "script_args": [
        ".Lambda", "0.2, 0.9", [], ".Stratified until", "0.1, 1", [], 0, "", [],
        True, False, False, False, False, False, False, 0, False]}
    folder = "InDetail folder"
    return {
        "variation": Frozen({**one, "task": "image variation"}),
        "cross-prompt": Frozen({**one, "task": "cross-prompt"}),
        "structure-guided": Frozen(guided, unit()), "structure, no unit": Frozen(guided),
        "structure, by the unit": Frozen({**guided, "control_uncond_from": 0}, unit(weight=0.7)),
        "unit and two": Frozen({**guided, "images": [{"image": picture(2)}]}, {**unit(), "batch_size": 2}),
        "beside reference_only": Frozen(one, {**reference, "override_settings": {
            "sd_model_checkpoint": "sd1-other.safetensors"}}),  # ControlNet wants a UNet of the usual size
        "unit, hires": Frozen(guided, {**unit(), **HIRES}),
        "own preset": Frozen({"image": picture(0), "preset": "frozen", "inversion": "DDIM"},
                             saves={"frozen": {"nodes": 6, **OWN}}),
        "preset and more": Frozen({"image": picture(1), "preset": "frozen 2", "inversion": "DDIM", "strength": 0.6},
                                  saves={"frozen 2": {"nodes": 4, "task": "cross-prompt", "blocks": "all"}}),
        "by position": Frozen({**one, "lambda_image": 0.7, "task": "cross-prompt"}, by_position=True),
        "plot": Frozen(one, plot),
        "folder": Frozen(one, {"script_name": folder, "script_args": ["one picture per generation",
                                                                      [picture(1), picture(2)], ""]}),
        "folder, together": Frozen(one, {"script_name": folder, "script_args": ["all together",
                                                                                [picture(1), picture(2)], ""]}),
        "infotext alone": Frozen(after="own text"), "infotext of two": Frozen(after="three"),
        "infotext of a mask": Frozen(after="in a part"),
        "refused: a value": Frozen({**one, "lambda_image": 7}),
        "refused: a window": Frozen({**one, "start": 0.9, "end": 0.2}),
        "refused: no picture": Frozen({"image": ""}), "refused: a picture": Frozen({"image": "bm8="}),
    }


WISHES: dict[str, Frozen] = {"without InDetail": Frozen(), **_settings(), **_passes(), **_pictures(), **_beside()}
