"""The noise levels of a pass, as its sampler will choose them."""

from __future__ import annotations

import math

from modules import sd_samplers_common, shared

from lib_indetail.noise import NoiseSchedule


def levels(p, schedule: NoiseSchedule, from_noise: bool, steps: int | None = None) -> list[float]:
    """sigmas from the first to the last, the clean end left out; `steps` as the host hands it to the sampler.

    Samplers may visit more between them, or others (DPM adaptive).
    """
    total, last = (steps or p.steps, None) if from_noise else sd_samplers_common.setup_img2img_steps(p, steps)
    if hasattr(p.sampler, "get_timesteps"):
        timesteps = sorted((float(t) for t in p.sampler.get_timesteps(p, total)[:last]), reverse=True)
        return [schedule.sigma(t) for t in timesteps[:-1] or timesteps]  # they step to the lowest, and end there
    sigmas = [float(sigma) for sigma in p.sampler.get_sigmas(p, total)]
    return [sigma for sigma in sigmas[0 if last is None else total - last - 1:] if sigma > 0]


def before_refiner(p, schedule: NoiseSchedule, sigmas: list[float]) -> list[float]:
    """Those at which the checkpoint at hand is sampled, before a refiner takes its place."""
    refiner = p.refiner_checkpoint_info
    if refiner is None or refiner == shared.sd_model.sd_checkpoint_info or not _refined(p):
        return sigmas
    switch = p.refiner_switch_at or 0.0
    if shared.opts.refiner_switch_by_sample_steps:
        return sigmas[:math.ceil(switch * len(sigmas))]
    last = len(schedule) - 1
    return [sigma for sigma in sigmas if (last - round(schedule.timestep(sigma))) / len(schedule) < switch]


def _refined(p) -> bool:
    """Of a hires fix's passes the host's settings choose."""
    chosen = shared.opts.hires_fix_refiner_pass
    return not getattr(p, "enable_hr", False) or chosen not in ("first pass", "second pass") \
        or p.is_hr_pass == (chosen == "second pass")
