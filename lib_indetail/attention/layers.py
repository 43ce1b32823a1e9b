"""Which attention layers of a UNet take part."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from lib_indetail.attention.sites import Site, Where
from lib_indetail.errors import CannotAct

_SUFFIX = {"self": ".attn1", "cross": ".attn2"}
_TITLE = {"self": "self-attention", "cross": "cross-attention"}


def sites(unet: nn.Module, where: Iterable[Where]) -> dict[Site, nn.Module]:
    """The modules of these sites, of ldm or sgm structure, in the UNet's order. A self-attention that the model turned
    into cross-attention (`disable_self_attn`) is neither. Raises CannotAct where there are none of a kind."""
    modules = dict(unet.named_modules())
    known = [Site(name, kind) for name in modules for kind, suffix in _SUFFIX.items() if name.endswith(suffix)
             and not (kind == "self" and getattr(modules[name.rpartition(".")[0]], "disable_self_attn", False))]
    wanted = [each for each in where if each.kind in _SUFFIX]
    for each in wanted:
        if not any(each.has(site) for site in known):
            raise CannotAct(f"this UNet has no {_TITLE[each.kind]} layer in its {each.blocks} blocks")
    return {site: modules[site.name] for site in known if any(each.has(site) for each in wanted)}


def self_attention_layers(unet: nn.Module, blocks: str = "decoder") -> dict[str, nn.Module]:
    """The self-attention modules of the named blocks, by name, in the UNet's order. Raises CannotAct if there are
    none."""
    return {site.name: module for site, module in sites(unet, [Where("self", blocks)]).items()}
