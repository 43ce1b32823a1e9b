"""One sampling call of the WebUI, as the core asks for it: known before it begins."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from modules import devices, processing, rng, sd_samplers_common, shared
from modules.processing_scripts.comments import strip_comments
from modules.prompt_parser import MulticondLearnedConditioning

from lib_indetail.hosts.webui.model import WebuiModel
from lib_indetail.hosts.webui.prompts_beside import refuse_networks, refuse_parts
from lib_indetail.hosts.webui.runtime import runtime
from lib_indetail.noise.schedule import NoiseSchedule
from lib_indetail.pictures.placing import Crop
from lib_indetail.run.host import Evaluation, Frame, Known

INPAINTING = 9
"""Input channels."""


class SamplingPass:
    """Of `p`, for latents `x` [n, C, h, w]; `given` are the keywords that the host hands to the sampler."""

    def __init__(self, p, x: torch.Tensor, from_noise: bool, given: Mapping[str, Any]):
        self._p, self._steps, self.from_noise = p, given.get("steps"), from_noise
        self._beside, self.others, self.way = given.get("image_conditioning"), None, None
        self._texts: dict[tuple[str, str], MulticondLearnedConditioning] = {}
        self._is_second = getattr(p, "is_hr_pass", False)
        first = getattr(p, "iteration", 0) * p.batch_size
        self.batch = range(first, first + len(x))
        self.frame = Frame(x.shape[-1] * processing.opt_f, x.shape[-2] * processing.opt_f, *self._counted())

    @property
    def title(self) -> str:
        if not getattr(self._p, "enable_hr", False):
            return ""
        return "second pass" if self._is_second else "first pass"

    @property
    def prompts(self) -> list[str]:
        """Styles and wildcards applied."""
        return self._p.hr_prompts if self._is_second else self._p.prompts

    @property
    def negatives(self) -> list[str]:
        return self._p.hr_negative_prompts if self._is_second else self._p.negative_prompts

    @property
    def inpainted(self) -> Crop | None:
        if not getattr(self._p, "paste_to", None) or not getattr(self._p, "inpaint_full_res", False):
            return None
        left, top, width, height = self._p.paste_to
        whole = self._p.mask_for_overlay.size
        return left / whole[0], top / whole[1], (left + width) / whole[0], (top + height) / whole[1]

    @property
    def known(self) -> Known | None:
        mask, latent = (getattr(self._p, name, None) for name in ("nmask", "init_latent"))
        return None if mask is None or latent is None else Known(latent, mask)

    @property
    def conditioning(self) -> torch.Tensor | None:
        """The host makes one for every model, of which most do not look at it."""
        return self._beside if runtime.host.model().unet.in_channels == INPAINTING else None

    @property
    def has_structure(self) -> bool:
        return runtime.host.has_structure(self._p)

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        """With the variation of the pass's own."""
        own = self._p.rng
        self.others = rng.ImageRNG(own.shape, list(seeds), self._p.subseeds, own.subseed_strength,
                                   own.seed_resize_from_h, own.seed_resize_from_w)
        return self.others.next()

    def between_seeds(self, seeds: Sequence[int], places: Sequence[float]) -> None:
        self.way = seeds, places

    def take_beside(self, label: str, prompt: str) -> None:
        refuse_parts("Prompt", self.prompts)
        refuse_parts(label, [self.styled(prompt)])
        refuse_networks(label, self.styled(prompt), self._p.extra_network_data)
        self.encoded(prompt)  # while nothing is sampled yet

    def styled(self, prompt: str) -> str:
        styled = shared.prompt_styles.apply_styles_to_prompt(prompt, self._p.styles)
        return strip_comments(styled) if getattr(shared.opts, "enable_prompt_comments", True) else styled

    def encoded(self, prompt: str) -> MulticondLearnedConditioning:
        """For all steps; once for each model that takes over."""
        key = shared.sd_model.sd_checkpoint_info.filename, prompt
        if key not in self._texts:
            text = runtime.host.model().whole_text(self.styled(prompt), self.frame)
            self._texts[key] = runtime.host.like_own(self._p, text, self._p.hr_c if self._is_second else self._p.c)
        return self._texts[key]

    def will_sample(self, calls: int, frames: int) -> None:
        """Each is a job of the host's, and all batches are told of with the first one: the bar never goes back."""
        if getattr(self._p, "iteration", 0) == 0:
            more = calls - 1 + (frames - 1 if self.title else 0)
            shared.state.job_count += more * self._p.n_iter

    def pixels(self, latents: torch.Tensor) -> torch.Tensor | None:
        """While the models are at hand with which the host decodes its own."""
        if self.title != "first pass" or self._p.latent_scale_mode is not None or shared.state.interrupted:
            return None
        flat = processing.decode_latent_batch(self._p.sd_model, latents.flatten(0, 1), target_device=devices.cpu,
                                              check_for_nans=True)
        return torch.stack(list(flat)).float().unflatten(0, latents.shape[:2])

    def levels(self, model: WebuiModel) -> tuple[list[float], list[float]]:
        """Samplers may visit more between them, or others (DPM adaptive)."""
        sigmas = self._sigmas(model.schedule)
        return sigmas, self._before_refiner(model.schedule, sigmas)

    def evaluations(self, told: Callable[[Evaluation], torch.Tensor],
                    apart: Callable[[], AbstractContextManager]) -> AbstractContextManager:
        return runtime.host.evaluations(self._p, self.encoded, told, apart)

    def _counted(self) -> tuple[int, int | None]:
        first = getattr(self._p, "firstpass_steps", None) or self._p.steps
        return first, (self._p.hr_second_pass_steps or self._p.steps) if self._is_second else None

    def _sigmas(self, schedule: NoiseSchedule) -> list[float]:
        p, steps = self._p, self._steps
        total, last = (steps or p.steps, None) if self.from_noise else sd_samplers_common.setup_img2img_steps(p, steps)
        if hasattr(p.sampler, "get_timesteps"):
            timesteps = sorted((float(t) for t in p.sampler.get_timesteps(p, total)[:last]), reverse=True)
            return [schedule.sigma(t) for t in timesteps[:-1] or timesteps]  # they step to the lowest, and end there
        sigmas = [float(sigma) for sigma in p.sampler.get_sigmas(p, total)]
        return [sigma for sigma in sigmas[0 if last is None else total - last - 1:] if sigma > 0]

    def _before_refiner(self, schedule: NoiseSchedule, sigmas: list[float]) -> list[float]:
        refiner = self._p.refiner_checkpoint_info
        if refiner is None or refiner == shared.sd_model.sd_checkpoint_info or not self._is_refined():
            return sigmas
        switch = self._p.refiner_switch_at or 0.0
        if runtime.host.refines_by_steps:
            return sigmas[:math.ceil(switch * len(sigmas))]
        last = len(schedule) - 1
        return [sigma for sigma in sigmas if (last - round(schedule.timestep(sigma))) / len(schedule) < switch]

    def _is_refined(self) -> bool:
        """Of a hires fix's passes the host's settings choose."""
        chosen = shared.opts.hires_fix_refiner_pass
        return not getattr(self._p, "enable_hr", False) or chosen not in ("first pass", "second pass") \
            or self._is_second == (chosen == "second pass")
