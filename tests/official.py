"""Replay a case of the official InDetail-IP code through the path that the product uses.

    case = load_case("tests/data/case_imgvar_strat4of10.safetensors")
    result = replay(case, golden_model())
    relative_error(result.after_step[-1], case.tensors["sampling.latents_after_step"][-1, 1:])

From the case only its inputs are read: the clean latent (the last of `inversion.chain`), the text rows, the
initial noise before AdaIN, given residuals, and the settings in `meta`. Everything else is computed here with
the core's inversion, AdaIN, record pass, row cursor, attention hooks and plans.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from embedded.checkpoint import LatentDiffusion, load_model
from embedded.samplers import ddim_steps
from embedded.unet_calls import GuidedModel, Structure
from lib_indetail.ask.settings import Settings
from lib_indetail.inversion.inverter import ddim_nodes
from lib_indetail.noise.chain import Chain
from lib_indetail.noise.schedule import NoiseSchedule
from lib_indetail.noise.window import position
from lib_indetail.run.generation import Generation
from lib_indetail.run.host import Frame
from lib_indetail.run.no_host import Quiet
from lib_indetail.run.plain_model import PlainModel
from lib_indetail.run.preparation import Read, prepare
from lib_indetail.run.wish import Wish

DATA = Path(__file__).parent / "data"
GOLDEN_UNET = dict(image_size=32, model_channels=32, channel_mult=[1, 2, 2, 2], num_heads=8, context_dim=32)
GOLDEN_VAE = dict(ch=32, ch_mult=[1, 1, 1, 1], num_res_blocks=1)


@dataclass(frozen=True, eq=False)
class Case:
    """A file of the official code's tensors and the settings it was run with."""

    tensors: dict[str, torch.Tensor]
    meta: dict


@dataclass(frozen=True, eq=False)
class Replay:
    """What came out, generated rows only.

    chain: [T + 1, 4, h, w], noisiest first, as the case stores it; noise: [n, 4, h, w] after AdaIN;
    unet_rows: per step [2 n, 4, h, w], [u1..un, c1..cn], or [c1..cn] without guidance;
    after_step: per step [n, 4, h, w].
    """

    chain: torch.Tensor
    noise: torch.Tensor
    unet_rows: list[torch.Tensor]
    after_step: list[torch.Tensor]


def load_case(path: str | Path) -> Case:
    with safe_open(path, "pt") as file:
        return Case({key: file.get_tensor(key) for key in file.keys()}, json.loads(file.metadata()["meta"]))


def golden_model() -> LatentDiffusion:
    """The tiny model of the golden cases; its text rows are in the cases."""
    return load_model(DATA / "tiny_ldm.fp16.safetensors", scale=0.18215, with_text=False,
                      unet=GOLDEN_UNET, vae=GOLDEN_VAE)


def relative_error(value: torch.Tensor, expected: torch.Tensor) -> float:
    return float((value - expected).norm() / expected.norm())


@torch.no_grad()
def replay(case: Case, model: LatentDiffusion, control: torch.nn.Module | None = None,
           hint: torch.Tensor | None = None) -> Replay:
    """Run a case. `meta` is read in full: sain all, cond, none; lambda_img, lambda_self; share_start_tsidx;
    sain_start_tsidx and sain_end_tsidx (inclusive); end_stratified_attention; guidance_scale (1 and less: one
    half); use_adain; inv_offset; gm_end_tsidx. Residuals come from the case (`fake_residual.down.00` ..,
    `fake_residual.mid`, one row each) or from `control` with `hint` [1, 3, H, W] in 0..1."""
    meta, tensors = case.meta, case.tensors
    steps, offset = meta["steps"], meta.get("inv_offset") or 0
    timesteps = ddim_nodes(steps)[::-1]
    empty, uncond, cond = _text_rows(tensors["text.rows_in_unet_order"], meta)
    settings = official_settings(meta, timesteps)
    latent = tensors["inversion.chain"][-1:]
    own = PlainModel(model.unet, model.schedule, model.prediction)
    wish = Wish(settings=settings, text="", frame=Frame(8 * latent.shape[-1], 8 * latent.shape[-2], steps))
    image = prepare(Quiet(), own, wish, latent, Read(tensors["text.inversion"], empty))
    noisiest_first = [*map(image.chain.shown(model.schedule), image.chain.sigmas)][::-1]
    if offset:
        shown = _offset_latents(noisiest_first, timesteps, model.schedule, offset)
        image = dataclasses.replace(image, chain=_Offset(
            image.chain.sigmas, image.chain.latents, lambda sigma: shown(sigma) / model.schedule.scale(sigma)))
    rows: list[torch.Tensor] = []
    with contextlib.ExitStack() as stack:
        generation = stack.enter_context(Generation(own, [image], settings))
        noise = generation.started(tensors["latents.noise_before_adain"], model.schedule.sigma(timesteps[0]))
        watch = model.unet.register_forward_hook(lambda _module, _args, output: rows.append(output.clone()))
        stack.callback(watch.remove)
        guided = GuidedModel(model, cond, uncond, meta["guidance_scale"] if uncond is not None else 1.0, generation,
                             _structure(case, timesteps, control, hint))
        after = [z for z, _ in ddim_steps(guided, noise, timesteps)]
    return Replay(torch.cat(noisiest_first), noise, [_official_order(r, len(noise)) for r in rows], after)


@dataclass(frozen=True, eq=False)
class _Offset(Chain):
    """A chain that is read at other nodes than those of its levels."""

    read: Callable[[float], torch.Tensor]

    def at(self, sigma: float) -> torch.Tensor:
        return self.read(sigma)


def official_settings(meta: dict, timesteps: list[int]) -> Settings:
    """Our settings for the official ones. Where nothing acts in attention, the window ends before the first step."""
    steps = len(timesteps)
    first, last = meta.get("sain_start_tsidx") or 0, meta.get("sain_end_tsidx")
    end = steps if last is None else last + 1
    common = dict(nodes=steps, inversion="DDIM", levels="all", adain=1.0 if meta.get("use_adain", True) else 0.0)
    if meta["sain"] == "none" or first >= min(end, steps):
        return Settings(end=position(timesteps[0]) / 2, **common)
    image, own = meta["lambda_img"], meta["lambda_self"]
    return Settings(
        lambda_image=image / (image + own), guidance=1.0 if meta["sain"] == "cond" else 0.0,
        stratified_until=boundary(meta["end_stratified_attention"], timesteps),
        replacement_until=boundary(meta.get("share_start_tsidx") or 0, timesteps),
        start=boundary(first, timesteps), end=boundary(end, timesteps), **common)


def boundary(index: int, timesteps: list[int]) -> float:
    """A position between the steps index - 1 and index: u < boundary for just the first `index` steps.

    index / T where T divides 1000; the official grid leaves that line where it does not.
    """
    if index <= 0:
        return 0.0
    if index >= len(timesteps):
        return 1.0
    return (position(timesteps[index - 1]) + position(timesteps[index])) / 2


def _text_rows(rows: torch.Tensor, meta: dict) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
    """Empty prompt [1, ..], uncond rows [n, ..] or None, cond rows [n, ..], out of [u0, u1.., c0, c1..]."""
    if meta["guidance_scale"] > 1:
        half = len(rows) // 2
        return rows[:1], rows[1:half], rows[half + 1:]
    return rows[:1], None, rows[-meta["num_samples"]:]


def _offset_latents(noisiest_first, timesteps: list[int], schedule: NoiseSchedule, offset: int):
    """inv_offset pins the image latent at a cleaner level: step 0 reads node `offset`, step i the node
    max(offset + 1, i)."""
    nodes = [offset] + [max(offset + 1, step) for step in range(1, len(timesteps))]
    last = len(noisiest_first) - 1
    table = {schedule.sigma(t): noisiest_first[min(node, last)] for t, node in zip(timesteps, nodes, strict=True)}
    return table.__getitem__


def _structure(case: Case, timesteps: list[int], control, hint) -> Structure | None:
    given = None
    if "fake_residual.mid" in case.tensors:
        down = sorted(key for key in case.tensors if key.startswith("fake_residual.down."))
        given = [case.tensors[key].float() for key in down], case.tensors["fake_residual.mid"].float()
    if given is None and control is None:
        return None
    return Structure(control, hint, given, boundary(case.meta.get("gm_end_tsidx") or 0, timesteps))


def _official_order(rows: torch.Tensor, n: int) -> torch.Tensor:
    return torch.cat([rows[n:], rows[:n]])
