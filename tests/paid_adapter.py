"""An IP-Adapter's image tokens beside the text, between two images: what it adds to the core's method lives here."""

from __future__ import annotations

import dataclasses
import json

import torch
from torch.nn import functional as F

from lib_indetail.attention.algebra import OWN, Plan, Source, Stratum
from lib_indetail.attention.origins import Extra
from lib_indetail.attention.sites import Site
from lib_indetail.methods.interpolation import Between, Interpolation, Phases, Way
from lib_indetail.noise.slerp import slerp


class WithImages(Interpolation):
    """`variant` says how images act beside the text: fused or pure, outer or inner, or "scale_control", where the
    tokens of the end image alone are added, by c, in all rows and steps."""

    def __init__(self, case, strip: list[Between], until: float, variant: str, guided: bool, blend: Way):
        self._control = variant == "scale_control"
        name = "fused outer" if self._control else variant.replace("_", " ")
        super().__init__(strip, Phases(name, until if until < 1 else 2.0), guided, blend)
        self._adapter, self._blend_images = _Adapter(case), torch.lerp if blend is torch.lerp else slerp
        self._until, self._scale = until, case.meta["ip_scale"]
        self._inner, self._fused = variant.endswith("inner"), not variant.startswith("pure")
        self._tokens = {"cond": self._projected(case, strip), "uncond": self._negative(case, len(strip))}

    def _projected(self, case, strip) -> torch.Tensor:
        """[rows, tokens, D] of the images, that between them blended before the projection."""
        end = case.tensors["image.end"].float()
        first = case.tensors["image.start"].float() if "image.start" in case.tensors else torch.zeros_like(end)
        rows = [first if each.t == 0 else end if each.t == 1 else self._blend_images(first, end, each.t)
                for each in strip]
        return self._adapter.project(torch.cat(rows))

    def _negative(self, case, rows: int) -> torch.Tensor:
        return self._adapter.project(torch.zeros(rows, case.tensors["image.end"].shape[-1]))

    def extra(self, site: Site):
        if site.kind != "cross":
            return {}
        cond, uncond = (self._adapter.keys_values(site.name, self._tokens[role]) for role in ("cond", "uncond"))
        given = {}
        for number in range(len(self._strip)):
            given[f"cond {number}"], given[f"uncond {number}"] = (
                tuple(part[number:number + 1] for part in pair) for pair in (cond, uncond))
        return given

    def plan(self, u, row, site):
        text = super().plan(u, row, site)
        if site.kind != "cross" or row.role == "other":
            return text
        return Plan(*whole(text), *self._images(u, row))

    def _images(self, u, row) -> list[Stratum]:
        each, own = self._strip[row.image], Source(Extra(f"{row.role} {row.image}"))
        if self._control:
            source = Source(Extra(f"{row.role} {each.last}"))
            return [Stratum((source,), each.coefficient)] if each.coefficient else []
        is_between = row.image not in (each.first, each.last) and row.role == "cond" and u < self._until
        if self._inner or not is_between:
            return [Stratum((own,), self._scale)]
        beside = (own,) if self._fused else ()
        return [Stratum((*beside, Source(Extra(f"cond {number}"))), self._scale * amount)
                for number, amount in ((each.first, 1 - each.coefficient), (each.last, each.coefficient))]


def whole(text: Plan | None) -> list[Stratum]:
    """A plan's strata, beside which others are added that take nothing from them."""
    return [dataclasses.replace(each, weight=each.share) for each in text or (Stratum((OWN,)),)]


class _Adapter:
    """The weights of a case, in the official layout."""

    def __init__(self, case):
        self._weights = {name.removeprefix("adapter."): value.float() for name, value in case.tensors.items()
                         if name.startswith("adapter.")}
        keys = case.meta["adapter_keys_to_ldm"]
        numbers = json.loads(keys) if isinstance(keys, str) else keys
        self._number = {layer: number for number, layer in numbers.items()}
        self._width = self._weights["image_proj.norm.weight"].shape[0]

    def project(self, images: torch.Tensor) -> torch.Tensor:
        weights = self._weights
        tokens = F.linear(images, weights["image_proj.proj.weight"], weights["image_proj.proj.bias"])
        return F.layer_norm(tokens.unflatten(-1, (-1, self._width)), (self._width,),
                            weights["image_proj.norm.weight"], weights["image_proj.norm.bias"])

    def keys_values(self, layer: str, tokens: torch.Tensor):
        number = self._number[layer]
        return tuple(F.linear(tokens, self._weights[f"ip_adapter.{number}.to_{name}_ip.weight"]) for name in "kv")
