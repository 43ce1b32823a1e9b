"""Replay a case of the official PAID code through the product's path.

    case = load_case("tests/data/paid/case_fused_outer.safetensors")
    made = interpolate(golden_model(), case)
    error(made.latents, case.tensors["final.latents"])

From the case only its inputs are read: text rows and pooled vectors, start latents, the sampler's levels, an adapter's
weights, and the settings in `meta`. Everything else is computed here with the core's method, hooks and slerp.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from embedded.checkpoint import LatentDiffusion
from embedded.samplers import ddim_steps
from embedded.unet_calls import GuidedModel
from lib_indetail.ask.settings import Settings
from lib_indetail.attention.method import Text
from lib_indetail.methods.interpolation import Between, Interpolation, Phases
from lib_indetail.noise.slerp import slerp
from lib_indetail.run.generation import Generation
from lib_indetail.run.plain_model import PlainModel
from lib_indetail.strip.coefficients import UNKNOWN, Beta, quantiles
from lib_indetail.strip.exploring import BEGINNING, Explored
from lib_indetail.strip.neighbours import block_means
from lib_indetail.strip.smoothest import chosen
from tests.official import Case, boundary
from tests.paid_adapter import WithImages
from tests.sgm_unet import sizes_embedded

NAMES = {"fused_outer": "fused outer", "fused_inner": "fused inner", "pure_outer": "pure outer",
         "pure_inner": "pure inner", "outer": "fused outer", "inner": "fused inner", "self": "none", "plain": "none",
         None: "none"}


@dataclass(eq=False)
class Interpolated:
    """What came out, rows in the case's order.

    latents: [rows, 4, h, w], those of all frames of a sequence; after_step: after each step; started: what they
    began at, as unit noise; noise_guided: what was predicted; unet: per step (cond rows, uncond rows; these are None
    without guidance); xs, path: of a dynamic selection, the coefficients of all frames, and the numbers of those that
    are chosen.
    """

    latents: torch.Tensor
    after_step: list[torch.Tensor]
    started: torch.Tensor
    noise_guided: list[torch.Tensor] = field(default_factory=list)
    unet: list[tuple[torch.Tensor, torch.Tensor | None]] = field(default_factory=list)
    xs: list[float] = field(default_factory=list)
    path: list[int] | None = None


@torch.no_grad()
def interpolate(model: LatentDiffusion, case: Case) -> Interpolated:
    """Run a case on a model (only a dynamic one needs its autoencoder).

    `meta` is read in full. kind: single, sdxl, ip (one image between two: t), sequence, batch (size, alpha, beta),
    denoise (ratio), dynamic (exploration_size, interpolation_size, uniform, init_alpha, init_beta). variant, or early
    and late; aid_steps or else warmup_ratio; init (linear, anything else is slerp); guidance_scale, guidance_rescale;
    scheduler (ddim, euler); prediction_type (that of the model where it is not named); ip_scale and image_start. Raises
    ValueError for another kind or scheduler.
    """
    kinds: dict[str, Callable] = {"single": _single, "sdxl": _single, "ip": _single, "sequence": _sequence,
                                  "batch": _batch, "denoise": _denoised, "dynamic": _dynamic}
    if case.meta["kind"] not in kinds:
        raise ValueError(f"there is no kind {case.meta['kind']!r}.")
    named = {"epsilon": "eps", "v_prediction": "v", "eps": "eps", "v": "v"}
    prediction = named.get(case.meta.get("prediction_type", case.meta.get("prediction")), model.prediction)
    model = dataclasses.replace(model, prediction="v" if case.meta.get("v_prediction") else prediction)
    return kinds[case.meta["kind"]](model, case)


def _single(model, case: Case) -> Interpolated:
    t = case.meta["t"]
    return _sampled(model, case, [Between(0, 2, 0.0), Between(0, 2, t), Between(0, 2, 1.0)])


def _sequence(model, case: Case) -> Interpolated:
    """All frames in one batch; the authors make them by threes."""
    return _sampled(model, case, _strip(quantiles(case.meta["size"], _beta(case))))


def _batch(model, case: Case) -> Interpolated:
    """Attention counts by the quantiles, texts and starts evenly."""
    size = case.meta["size"]
    even = quantiles(size)
    return _sampled(model, case, [Between(0, size - 1, t, c) for t, c in zip(
        even, quantiles(size, _beta(case)), strict=True)])


def _denoised(model, case: Case) -> Interpolated:
    """The baseline: the other prompt from a step on."""
    steps = _timesteps(case)
    switch = boundary(_counted_from_one(len(steps) * case.meta["ratio"]), steps)
    return _sampled(model, case, [Between(0, 0, 0.0)], _Switched(_text(case, "end"), switch))


def _dynamic(model, case: Case) -> Interpolated:
    """Images where the way is longest, then the smoothest path through them."""
    meta, made = case.meta, {}

    def frame(t: float) -> torch.Tensor:
        whole = _sampled(model, case, [Between(0, 2, 0.0), Between(0, 2, t), Between(0, 2, 1.0)])
        made.update(zip((0.0, t, 1.0), whole.latents, strict=True))
        return whole.started

    def feature(t: float) -> torch.Tensor:
        picture = ((model.decode(made[t][None])[0] / 2 + 0.5).clamp(0, 1) * 255).round()
        return block_means(picture.permute(1, 2, 0).numpy())

    started, beta = frame(0.5), Beta(meta.get("init_alpha", UNKNOWN.alpha), meta.get("init_beta", UNKNOWN.beta))
    strip = Explored([feature(t) for t in BEGINNING], beta=beta, even=meta.get("uniform", False))
    while len(strip.ts) < meta["exploration_size"]:
        t = strip.next()
        frame(t)
        strip.add(t, feature(t))
    return Interpolated(torch.stack([made[t] for t in strip.ts]), [], started, xs=strip.ts,
                        path=strip.chosen(meta["interpolation_size"], chosen))


def _interpolated_steps(meta: dict) -> int:
    if meta.get("aid_steps") is not None:
        return meta["aid_steps"]
    share = meta["steps"] * meta["warmup_ratio"]
    return _counted_from_one(share) if meta["kind"] in ("sequence", "batch") else int(share)


def _counted_from_one(share: float) -> int:
    """As the older code counts its steps."""
    return max(int(share) - 1, 0)


def _strip(ts) -> list[Between]:
    return [Between(0, len(ts) - 1, t) for t in ts]


def _beta(case: Case) -> Beta:
    return Beta(case.meta["alpha"], case.meta["beta"])


class _Switched(Interpolation):
    """No attention is changed; from position `switch` on another text stands in the place of the own one."""

    def __init__(self, text: Text, switch: float):
        super().__init__([Between(0, 0, 0.0)], Phases("none"))
        self._text, self._switch = text, switch

    def rewritten(self, u, cond, uncond, text_of):
        return (cond if u < self._switch else self._text), uncond


def _method(case: Case, strip: list[Between], timesteps: list[float]) -> Interpolation:
    meta = case.meta
    until = boundary(_interpolated_steps(meta), timesteps)
    early = meta.get("early", meta.get("variant"))
    blend = torch.lerp if meta.get("init", "linear") == "linear" else slerp
    guided = bool(meta.get("guide_prompt"))
    if meta["kind"] == "ip":
        return WithImages(case, strip, until, early, guided, blend)
    phases = Phases(NAMES[early], until if until < 1 else 2.0, NAMES[meta.get("late")])
    return Interpolation(strip, phases, guided, blend)


def _sampled(model, case: Case, strip: list[Between], method: Interpolation | None = None) -> Interpolated:
    meta, rows, timesteps = case.meta, len(strip), _timesteps(case)
    method = method or _method(case, strip, timesteps)
    between = "guide" if meta.get("guide_prompt") else "start"
    cond = _joined([_text(case, "start"), *[_text(case, between)] * (rows - 2), *[_text(case, "end")] * (rows > 1)])
    uncond = _joined([_text(case, "negative")] * rows)
    ends = [case.tensors[f"latents.{name}"].float() for name in ("start", "end")]
    noise = torch.cat([*ends[:1] * (rows - 1), ends[-1 if rows > 1 else 0]])
    calls: list[torch.Tensor] = []
    own = PlainModel(model.unet, model.schedule, model.prediction)
    hook = model.unet.register_forward_hook(lambda module, args, output: calls.append(output.clone()))
    try:
        with Generation(own, [], Settings(), method=method) as generation:
            guided = _Rescaled(model, cond, uncond, meta["guidance_scale"], generation)
            guided.rescale = meta.get("guidance_rescale") or 0.0
            started = generation.started(noise, model.schedule.sigma(timesteps[0]))
            steps = _SAMPLERS[meta["scheduler"]](guided, started, case)
    finally:
        hook.remove()
    after = [latent for latent, _ in steps]
    return Interpolated(after[-1], after, started, [output for _, output in steps],
                        [(call[:rows], call[rows:] if len(call) > rows else None) for call in calls])


class _Rescaled(GuidedModel):
    """Guidance whose spread is drawn back to that of the cond rows, as far as `rescale` says."""

    rescale = 0.0

    def combined(self, cond, uncond):
        guided = super().combined(cond, uncond)
        spreads = (each.std((1, 2, 3), keepdim=True) for each in (cond, guided))
        factor = next(spreads) / next(spreads)
        return torch.lerp(guided, guided * factor, self.rescale)


def _ddim(guided, started, case):
    return list(ddim_steps(guided, started, _timesteps(case)))


def _euler(guided, started, case):
    """diffusers' one, which begins at sqrt(sigma^2 + 1) times unit noise."""
    schedule, sigmas = guided.model.schedule, case.tensors["sampling.sigmas"].tolist()
    x, steps = started / schedule.scale(sigmas[0]), []
    for t, here, there in zip(_timesteps(case), sigmas, sigmas[1:], strict=False):
        z = x * schedule.scale(here)
        output = guided(z, here, t)
        x = x + (there - here) * schedule.noise(output, z, t, guided.model.prediction)
        steps.append((x, output))
    return steps


_SAMPLERS = {"ddim": _ddim, "euler": _euler}


def _timesteps(case: Case) -> list[float]:
    return case.tensors["sampling.timesteps"].tolist()


def _text(case: Case, name: str) -> Text:
    """One row, with its vector where the case has pooled texts."""
    text = case.tensors[f"text.{name}"].float()
    if f"pooled.{name}" not in case.tensors:
        return text
    sizes = case.tensors["negative_time_ids" if name == "negative" else "time_ids"]
    return {"crossattn": text, "vector": torch.cat([case.tensors[f"pooled.{name}"].float(), sizes_embedded(sizes)], 1)}


def _joined(texts: list[Text]) -> Text:
    if torch.is_tensor(texts[0]):
        return torch.cat(texts)
    return {name: torch.cat([text[name] for text in texts]) for name in texts[0]}


def error(value: torch.Tensor, expected: torch.Tensor) -> float:
    """max|d| / max|expected|, as the cases' own README compares."""
    return float((value - expected).abs().max() / expected.abs().max())
