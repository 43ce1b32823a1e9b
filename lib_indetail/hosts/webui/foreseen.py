"""The passes of a generation that the page would begin now, from the values of the host's own controls."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from modules import processing, sd_samplers

from lib_indetail.ask.settings import Settings
from lib_indetail.hosts.webui.model import WebuiModel
from lib_indetail.hosts.webui.sampling_pass import SamplingPass
from lib_indetail.run.wish import Wish
from lib_indetail.run.wishes import is_wanted_in

SIZE, OF_A_PASS = ("width", "height"), ("steps", "sampling", "scheduler")
HIRES = {"hr-checkbox": "enable_hr", "hr_scale": "hr_scale", "hr_resize_x": "hr_resize_x",
         "hr_resize_y": "hr_resize_y", "hires_steps": "hr_second_pass_steps"}
"""The host's controls by the end of their elem_id, with their names in a `StableDiffusionProcessingTxt2Img`."""
DENOISING = "denoising_strength"
CONTROLS = (*SIZE, *OF_A_PASS, DENOISING, *HIRES)


def passes(tab: str, model: WebuiModel, values: Mapping[str, Any]) -> list[SamplingPass]:
    """Of `values` by the names of `CONTROLS`; those that the host has not made are left out."""
    p = _job(tab, values)
    p.sampler = sd_samplers.create_sampler(p.sampler_name, model.sd_model)
    if tab == "img2img":
        return [_pass(p, p.width, p.height, False)]
    first = _pass(p, p.width, p.height, True)
    if not p.enable_hr:
        return [first]
    second = copy.copy(p)
    second.calculate_target_resolution()
    second.is_hr_pass = True
    return [first, _pass(second, second.hr_upscale_to_x, second.hr_upscale_to_y, False,
                         steps=second.hr_second_pass_steps or second.steps)]


def wished(tab: str, model: WebuiModel, values: Mapping[str, Any], settings: Settings, count: int) -> list[Wish]:
    """What `count` image prompts of these settings will ask for in the passes in which they act."""
    return [Wish(settings=settings, text="", frame=each.frame, sigmas=all_levels, own=own, from_noise=each.from_noise)
            for each in passes(tab, model, values) if is_wanted_in(each, settings)
            for all_levels, own in [each.levels(model)] for _ in range(count)]


def _job(tab: str, values: Mapping[str, Any]) -> processing.StableDiffusionProcessing:
    given = {name: values[name] for name in (*SIZE, "steps", "scheduler", DENOISING) if name in values}
    given = {name: value if name == DENOISING or isinstance(value, str) else int(value)
             for name, value in given.items()}
    given["sampler_name"] = values["sampling"]
    if tab == "img2img":
        return processing.StableDiffusionProcessingImg2Img(**given)
    hires = {name: values[control] for control, name in HIRES.items() if control in values}
    return processing.StableDiffusionProcessingTxt2Img(**given, **hires)


def _pass(p: processing.StableDiffusionProcessing, width: int, height: int, from_noise: bool,
          **given: Any) -> SamplingPass:
    x = torch.empty(1, 1, height // processing.opt_f, width // processing.opt_f, device="meta")
    return SamplingPass(p, x, from_noise, given)
