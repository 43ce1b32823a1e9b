"""The hook object: records the image latent's keys and values and lets rows of the UNet read them.

    with InDetailHooks(unet, latent_at, passes, planner) as hooks:
        ...                                    # once per evaluation of the denoiser:
        with hooks.evaluation(sigma, u, roles):
            ...                                # the host's UNet calls, rows in the order of `roles`

Nothing is left on the UNet afterwards, whatever was raised.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import nn

from lib_indetail.algebra import Bank, Blend, KeysValues, LayerCall, Plan, evaluate
from lib_indetail.attention import HostAttention
from lib_indetail.errors import SOMEONE, CannotAct
from lib_indetail.layers import self_attention_layers
from lib_indetail.plans import Planner
from lib_indetail.rows import Role, RowCursor, rows_with

RecordPass = Callable[[torch.Tensor, torch.Tensor], object]


class InDetailHooks:
    """Run-scoped hooks on one UNet of ldm or sgm structure.

    latent_at: sigma -> z^P, variance-preserving, [1, C, H, W]: a chain's `at`.
    passes: for every bank, a function (z [1, C, H, W], timesteps [1]) that runs the plain UNet on the image
        latent with the bank's text; its self-attention keys and values are what the bank holds.
    planner: (u, role) -> the plan of such rows, or None for plain attention.
    blocks: which layers, see `layers.BLOCKS`.
    attention: the host's attention.
    """

    def __init__(self, unet: nn.Module, latent_at: Callable[[float], torch.Tensor],
                 passes: Mapping[str, RecordPass], planner: Planner, *, blocks: str = "decoder",
                 attention: HostAttention | None = None):
        self._unet, self._latent_at, self._passes, self._planner = unet, latent_at, dict(passes), planner
        self._layers = self_attention_layers(unet, blocks)
        self._names = {module: name for name, module in self._layers.items()}
        self._attention = attention or HostAttention()
        blocks_of = {name: unet.get_submodule(name.rpartition(".")[0]) for name in self._layers}
        self._norms = {block.norm1: name for name, block in blocks_of.items() if hasattr(block, "norm1")}
        self._installed: list[tuple[_Registry, torch.utils.hooks.RemovableHandle]] = []
        self._sigma: float | None = None
        self._banks: dict[str, dict[str, KeysValues]] = {}
        self._finish()
        self._recording: dict[str, list[torch.Tensor]] | None = None
        self._asleep = False

    def __enter__(self) -> InDetailHooks:
        try:
            self._install()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.remove()

    @contextlib.contextmanager
    def evaluation(self, sigma: float, u: float,
                   roles: Sequence[Role] | Callable[[], Sequence[Role]],
                   extra: Callable[[torch.Tensor], Sequence[Role]] | None = None) -> Iterator[RowCursor]:
        """One evaluation of the denoiser at noise level `sigma` and position `u`; `roles` and `extra` are those of
        the cursor that it gives, which follows the rows through the UNet."""
        if sigma != self._sigma:
            self._sigma, self._banks = sigma, {}
        self._cursor, self._u = RowCursor(roles, extra), u
        try:
            yield self._cursor
        finally:
            self._finish()

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        """What goes through the layers meanwhile is left alone: somebody's own pass within a UNet call."""
        before, self._asleep = self._asleep, True
        try:
            yield
        finally:
            self._asleep = before

    def remove(self) -> None:
        """Take everything off the UNet and forget all tensors. May be called at any time, and again."""
        while self._installed:
            registry, handle = self._installed.pop()
            handle.remove()
            registry.pop(handle.id, None)  # a registry that was rebuilt meanwhile keeps what its handle removes
        self._sigma, self._banks, self._recording = None, {}, None
        self._finish()

    def _finish(self) -> None:
        self._cursor: RowCursor | None = None
        self._u = 0.0
        self._rows: list[tuple[slice | list[int], Plan]] = []
        self._row_count = 0
        self._normed: tuple[str, torch.Tensor] | None = None  # of the layer that is being run

    def _install(self) -> None:
        def indetail_before_unet(module, args, kwargs):
            self._before_unet(*_unet_inputs(args, kwargs))

        def indetail_after_attention(module, args, kwargs, output):
            return self._after_attention(module, args, kwargs, output)

        def indetail_after_projection(module, args, output):
            self._after_projection(module, output)

        def indetail_after_norm(module, args, output):
            if self._rows and self._recording is None and not self._asleep:
                self._normed = self._norms[module], output

        self._keep(self._unet, "_forward_pre_hooks", self._unet.register_forward_pre_hook(
            indetail_before_unet, with_kwargs=True))
        self._projections: dict[nn.Module, str] = {}
        for norm in self._norms:
            self._keep(norm, "_forward_hooks", norm.register_forward_hook(indetail_after_norm))
        for name, module in self._layers.items():
            self._keep(module, "_forward_hooks", module.register_forward_hook(
                indetail_after_attention, with_kwargs=True))
            for projection in (module.to_k, module.to_v):
                self._projections[projection] = name
                self._keep(projection, "_forward_hooks", projection.register_forward_hook(indetail_after_projection))

    def _keep(self, module: nn.Module, registry: str, handle: torch.utils.hooks.RemovableHandle) -> None:
        self._installed.append((_Registry(module, registry), handle))

    def _before_unet(self, x: torch.Tensor, timesteps: torch.Tensor, context: torch.Tensor | None) -> None:
        """Say which rows of this call follow which plan, and record what they will read."""
        if self._recording is not None or self._asleep or self._cursor is None:
            return
        roles = self._cursor.take(len(x), context)
        planned = ((rows_with(roles, role), self._planner(self._u, role)) for role in ("cond", "uncond"))
        self._rows = [(rows, plan) for rows, plan in planned if plan is not None and rows != []]
        self._row_count = len(x)
        for _, plan in self._rows:
            for bank in banks_of(plan):
                if bank not in self._banks:
                    self._banks[bank] = self._record(bank, x, timesteps)

    def _record(self, bank: str, x: torch.Tensor, timesteps: torch.Tensor) -> dict[str, KeysValues]:
        """Run the image latent through the plain UNet at this level and keep its keys and values."""
        latent = self._latent_at(self._sigma).to(x)
        if latent.shape[-2:] != x.shape[-2:]:
            raise CannotAct(f"InDetail cannot act: {SOMEONE} runs the UNet on a size of its own "
                            f"({_size(x)} instead of {_size(latent)} latent cells), as tiles do.")
        self._recording = {name: [] for name in self._layers}
        try:
            with torch.no_grad():
                self._passes[bank](latent, timesteps[:1])
            return {name: (keys, values) for name, (keys, values) in self._recording.items()}
        finally:
            self._recording = None

    def _after_projection(self, module: nn.Module, output: torch.Tensor) -> None:
        if self._recording is not None:
            self._recording[self._projections[module]].append(output.detach().reshape(1, -1, output.shape[-1]))

    def _after_attention(self, module: nn.Module, args: tuple, kwargs: dict, output: torch.Tensor):
        """Replace the planned rows of a layer's output; all others keep the host's own bits."""
        if self._recording is not None or self._asleep or not self._rows:
            return None
        name = self._names[module]
        x = args[0] if args else kwargs["x"]
        planned = self._rows if len(x) == self._row_count else self._laid_end_to_end(x, name)
        if not planned:
            return None
        context = args[1] if len(args) > 1 else kwargs.get("context")
        context = x if context is None else context
        banks = {bank: layers[name] for bank, layers in self._banks.items()}
        result = output.clone()
        for rows, plan in planned:
            result[rows] = evaluate(plan, LayerCall(self._attention, module, x[rows], context[rows],
                                                    output[rows], banks))
        return result

    def _laid_end_to_end(self, x: torch.Tensor, name: str) -> list[tuple[slice, Plan]]:
        """The plan of a call with one row that holds the tokens of several, as shared attention (StyleAlign) makes
        it of the cond rows and of the uncond rows in turn. Which they are is told by what the layer was given."""
        if self._normed is None or self._normed[0] != name or len(x) != 1:
            return []
        normed = self._normed[1]
        for rows, plan in self._rows:
            wanted = normed[rows].reshape(1, -1, normed.shape[-1])
            if wanted.shape == x.shape and torch.equal(wanted, x):
                return [(slice(0, 1), plan)]
        return []


class _Registry:
    """A module's hook registry, looked up when it is needed: other extensions put new dicts in its place."""

    def __init__(self, module: nn.Module, attribute: str):
        self._module, self._attribute = module, attribute

    def pop(self, key: int, default=None):
        return getattr(self._module, self._attribute).pop(key, default)


def banks_of(plan: Plan) -> list[str]:
    """The names of the banks that a plan reads."""
    names: list[str] = []
    for stratum in plan:
        for source in stratum.sources:
            match source.origin:
                case Bank(name):
                    names.append(name)
                case Blend(first, second, _):
                    names += [first, second]
    return list(dict.fromkeys(names))


def _size(latent: torch.Tensor) -> str:
    return f"{latent.shape[-1]}x{latent.shape[-2]}"


def _unet_inputs(args: tuple, kwargs: dict) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    names = ("x", "timesteps", "context")
    given = {**dict(zip(names, args)), **kwargs}
    return given["x"], given["timesteps"], given.get("context")
