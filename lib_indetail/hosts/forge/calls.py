"""What a host of the Forge family sends through its UNet: every call says what its rows are, and brings with it
ControlNet's residuals and what other extensions have put in the place of attention."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from modules import sd_samplers_common

from lib_indetail.attention.rows import Role, Row, ToldRows, roles_by_text
from lib_indetail.bank.recording import of_another_size
from lib_indetail.hosts.forge.model import ForgeModel
from lib_indetail.hosts.webui.cfg_denoiser import Calls
from lib_indetail.hosts.webui.denoiser_callback import callback, text_rows
from lib_indetail.hosts.webui.extension_folders import extensions_of
from lib_indetail.run.host import Replaced

_ROLES: dict[int, Role] = {0: "cond", 1: "uncond"}
"""By the host's tag of a chunk of rows, which counts what was asked for."""
_BLOCKS = {"input": "input_blocks.{}.1", "middle": "middle_block.1", "output": "output_blocks.{}.1"}


class ToldCalls(Calls):
    """Nothing is put on the patcher: what a call brings is changed as it comes."""

    def __init__(self, denoiser, model: Callable[[], ForgeModel]):
        self._denoiser, self._model = denoiser, model
        self._rows = ToldRows(0)

    def refined(self, x: torch.Tensor, level: torch.Tensor) -> bool:
        return sd_samplers_common.apply_refiner(self._denoiser, x)

    def timestep(self, level: float) -> float:
        """The host counts in sigma, of which it knows those of whole timesteps."""
        return float(round(level))

    def rows(self, parts: Sequence[int], images: int) -> ToldRows:
        """Where images have different numbers of AND prompts, the host takes as many as all have."""
        self._rows = ToldRows(images * min(parts))
        return self._rows

    @contextlib.contextmanager
    def predicting(self, spare_uncond: bool, replaced: Replaced | None) -> Iterator[None]:
        self._tiled = None

        def indetail_before_call(module, args, kwargs):
            rows = self._rows_of(args[0], kwargs)
            if rows is None:
                return None
            self._rows.tell(rows)
            if spare_uncond and kwargs.get("control"):
                kwargs = {**kwargs, "control": _spared(kwargs["control"], rows)}
            if replaced is not None:
                kwargs = {**kwargs, "transformer_options": _answered(kwargs["transformer_options"], replaced)}
            return args, kwargs

        handle = self._model().unet.register_forward_pre_hook(indetail_before_call, prepend=True, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()
        if self._tiled and replaced is not None and self._rows.cond_left > 0:
            raise self._tiled

    def suspects(self) -> tuple[str, ...]:
        options = self._model().patcher.model_options
        others = [options.get("model_function_wrapper"), *options.get("conditioning_modifiers", ()),
                  options.get("sampler_calc_cond_batch_function")]
        within = options.get("transformer_options", {})
        patches = [each for functions in within.get("patches", {}).values() for each in functions]
        replaced = [each for blocks in within.get("patches_replace", {}).values() for each in blocks.values()]
        return extensions_of([*others, *patches, *replaced])

    def _rows_of(self, x: torch.Tensor, kwargs: Mapping[str, Any]) -> list[Row] | None:
        """What the rows of a call are; None of one that is not the sampler's own: another latent (reference_only,
        tiles, blurred for self-attention guidance), or the negative prompt where the positive is said to be."""
        params = callback.of(self._denoiser)
        tags = (kwargs.get("transformer_options") or {}).get("cond_or_uncond")
        if params is None or not tags or len(x) != len(tags) * len(params.x):
            return None
        shown = self._model().sampling.calculate_input(params.sigma, params.x).to(x)
        if x.shape[2:] != shown.shape[2:]:
            self._tiled = of_another_size(x, shown)
            return None
        if not torch.allclose(x[:, :shown.shape[1]], shown.repeat(len(tags), 1, 1, 1), 1e-3, 1e-3, equal_nan=True):
            return None
        rows = [Row(_ROLES.get(tag, "other"), image) for tag in tags for image in range(len(params.x))]
        by_text = roles_by_text(kwargs["context"], text_rows(params.text_cond), text_rows(params.text_uncond))
        return None if ("cond", "uncond") in zip((row.role for row in rows), by_text, strict=True) else rows


def _spared(control: Mapping[str, list], rows: Sequence[Row]) -> dict[str, list]:
    """Residuals of a ControlNet, with none for the uncond rows."""
    keep = torch.tensor([float(row.role != "uncond") for row in rows]).view(-1, 1, 1, 1)
    return {place: [each if each is None or len(each) != len(rows) else each * keep.to(each) for each in residuals]
            for place, residuals in control.items()}


def _answered(options: Mapping[str, Any], replaced: Replaced) -> dict[str, Any]:
    """What others have put in the place of attention answers, and then we."""
    all_replaced = options.get("patches_replace", {})
    ours = {kind: {key: partial(_asked, kind, function, replaced) for key, function in blocks.items()}
            for kind, blocks in all_replaced.items() if kind in ("attn1", "attn2")}
    return {**options, "patches_replace": {**all_replaced, **ours}} if ours else dict(options)


def _asked(kind: str, function: Callable, replaced: Replaced, queries: torch.Tensor, keys: torch.Tensor,
           values: torch.Tensor, options: Mapping[str, Any]) -> torch.Tensor:
    block, number = options["block"][:2]
    layer = f"{_BLOCKS[block].format(number)}.transformer_blocks.{options.get('block_index', 0)}.{kind}"
    return replaced(layer, queries, keys, values, function(queries, keys, values, options))
