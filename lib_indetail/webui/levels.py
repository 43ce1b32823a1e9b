"""The noise levels of a pass, as its sampler will choose them."""

from __future__ import annotations

from modules import sd_samplers_common

from lib_indetail.noise import NoiseSchedule


def levels(p, schedule: NoiseSchedule, from_noise: bool, steps: int | None = None) -> list[float]:
    """sigmas from the first to the last, the clean end left out; `steps` as the host hands it to the sampler.

    Samplers may visit more between them, or others (DPM adaptive).
    """
    total, last = (steps or p.steps, None) if from_noise else sd_samplers_common.setup_img2img_steps(p, steps)
    if hasattr(p.sampler, "get_timesteps"):
        timesteps = sorted((float(t) for t in p.sampler.get_timesteps(p, total)[:last]), reverse=True)
        return [schedule.sigma(t) for t in timesteps]
    sigmas = [float(sigma) for sigma in p.sampler.get_sigmas(p, total)]
    return [sigma for sigma in sigmas[0 if last is None else total - last - 1:] if sigma > 0]
