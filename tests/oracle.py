"""The official code's arithmetic, written down a second time in the most literal way: image rows ride in the batch.

Used to check the replay with settings that no golden case covers; itself checked against the golden cases.
"""

from __future__ import annotations

import contextlib

import torch
from torch import nn

from embedded.control import add_residuals
from lib_indetail.inversion.inverter import ddim_nodes


class OfficialAttention:
    """attn1 of the decoder as in the official processor: rows [u0, u1.., c0, c1..], or one half without guidance."""

    def __init__(self, module: nn.Module, meta: dict):
        self.module, self.meta, self.step = module, meta, 0

    def attend(self, q, k, v):
        heads = self.module.heads
        split = [t.view(t.shape[0], t.shape[1], heads, -1).transpose(1, 2) for t in (q, k, v)]
        weights = (split[0] @ split[1].transpose(-1, -2) / split[0].shape[-1] ** 0.5).softmax(-1)
        return (weights @ split[2]).transpose(1, 2).flatten(2)

    def __call__(self, x, context=None, mask=None):
        module, meta, step = self.module, self.meta, self.step
        q, k, v = module.to_q(x), module.to_k(x), module.to_v(x)
        if len(x) < 2:
            return module.to_out(self.attend(q, k, v))
        self.step += 1
        last = meta["steps"] if meta.get("sain_end_tsidx") is None else meta["sain_end_tsidx"]
        active = meta["sain"] != "none" and meta.get("sain_start_tsidx", 0) <= step <= last
        out = torch.stack([self.row(r, q, k, v, len(x), step, active) for r in range(len(x))])
        return module.to_out(out)

    def row(self, r, q, k, v, rows, step, active):
        meta = self.meta
        own = self.attend(q[r:r + 1], k[r:r + 1], v[r:r + 1])[0]
        guided = meta["guidance_scale"] > 1
        half = rows // 2 if guided else rows
        if not active or (guided and r < half and meta["sain"] == "cond"):
            return own
        m = half if guided and r >= half else 0
        image = self.attend(q[r:r + 1], k[m:m + 1], v[m:m + 1])[0]
        if step < (meta.get("share_start_tsidx") or 0):
            return image
        if step < meta["end_stratified_attention"]:
            a, b = meta["lambda_img"], meta["lambda_self"]
            return (a * image + b * own) / (a + b)
        both = torch.cat([k[m:m + 1], k[r:r + 1]], 1), torch.cat([v[m:m + 1], v[r:r + 1]], 1)
        return self.attend(q[r:r + 1], *both)[0]


@contextlib.contextmanager
def official_unet(unet: nn.Module, meta: dict):
    layers = [m for name, m in unet.named_modules() if name.startswith("output_blocks") and name.endswith("attn1")]
    for layer in layers:
        layer.forward = OfficialAttention(layer, meta)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


@torch.no_grad()
def official_latents(case, model, control=None, hint=None) -> list[torch.Tensor]:
    """Latents of the generated rows after every step."""
    meta, tensors, abar = case.meta, case.tensors, model.schedule.alphas_cumprod
    chain, timesteps = tensors["inversion.chain"], ddim_nodes(meta["steps"])[::-1]
    offset, guided = meta.get("inv_offset") or 0, meta["guidance_scale"] > 1
    noise, target = tensors["latents.noise_before_adain"], chain[offset]
    if meta.get("use_adain", True):
        def spread(z):
            return (z.var((-2, -1), keepdim=True) + 1e-5).sqrt()

        noise = (noise - noise.mean((-2, -1), keepdim=True)) / spread(noise) * spread(target) + target.mean(
            (-2, -1), keepdim=True)
    x, after = torch.cat([target[None], noise]), []
    with official_unet(model.unet, meta):
        for i, t in enumerate(timesteps):
            rows = torch.cat([x, x]) if guided else x
            text = tensors["text.rows_in_unet_order"][-len(rows):]
            out = _unet(case, model.unet, rows, torch.full((len(rows),), t), text, i, control, hint)
            if guided:
                u, c = out.chunk(2)
                out = u + meta["guidance_scale"] * (c - u)
            here, there = abar[t], abar[timesteps[i + 1]] if i + 1 < len(timesteps) else abar[0]
            x = there.sqrt() * (x - (1 - here).sqrt() * out) / here.sqrt() + (1 - there).sqrt() * out
            x[0] = chain[min(max(offset + 1, i + 1), meta["steps"])]
            after.append(x[1:].clone())
    return after


def _unet(case, unet, x, timesteps, text, step, control, hint):
    if control is None and "fake_residual.mid" not in case.tensors:
        return unet(x, timesteps, context=text)
    if control is not None:
        down, middle = control(x, hint, timesteps, text)
    else:
        count = sum(key.startswith("fake_residual.down.") for key in case.tensors)
        down = [case.tensors[f"fake_residual.down.{i:02}"].float() for i in range(count)]
        middle = case.tensors["fake_residual.mid"].float()
    keep = torch.ones(len(x), 1, 1, 1)
    keep[0] = 0
    if case.meta["guidance_scale"] > 1:
        half = len(x) // 2
        keep[half] = 0
        if step < (case.meta.get("gm_end_tsidx") or 0):
            keep[:half] = 0
    return add_residuals(unet, x, timesteps, text, [r * keep for r in down], middle * keep)
