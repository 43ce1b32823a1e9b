"""Which self-attention layers of a UNet take part."""

from __future__ import annotations

from torch import nn

from lib_indetail.errors import CannotAct

BLOCKS = {
    "decoder": ("output_blocks.",),
    "middle and decoder": ("middle_block.", "output_blocks."),
    "all": ("input_blocks.", "middle_block.", "output_blocks."),
}


def self_attention_layers(unet: nn.Module, blocks: str = "decoder") -> dict[str, nn.Module]:
    """The `attn1` modules of the named blocks, by name, in the UNet's order.

    Layers that the model turned into cross-attention (`disable_self_attn`) are left out.
    Raises CannotAct if the UNet has none.
    """
    modules = dict(unet.named_modules())
    found = {name: module for name, module in modules.items()
             if name.startswith(BLOCKS[blocks]) and name.endswith(".attn1")
             and not getattr(modules[name.rpartition(".")[0]], "disable_self_attn", False)}
    if not found:
        raise CannotAct(f"this UNet has no self-attention layer in its {blocks} blocks")
    return found
