"""The hook object: records the image latent's keys and values and lets rows of the UNet read them.

    with InDetailHooks(unet, branches, planner) as hooks:
        ...                                    # once per evaluation of the denoiser:
        with hooks.evaluation(sigma, u, rows):
            ...                                # the host's UNet calls, in the order of `rows`

Nothing is left on the UNet afterwards, whatever was raised.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import nn

from lib_indetail.attention.algebra import Plan, evaluate
from lib_indetail.attention.calls import Call, HeadsCall, LayerCall
from lib_indetail.attention.host_attention import HostAttention
from lib_indetail.attention.installed import Installed
from lib_indetail.attention.received import Watcher
from lib_indetail.attention.rows import Role, Row, RowCursor, Rows, row_numbers, rows_but, together
from lib_indetail.bank.image_branch import Branch
from lib_indetail.bank.memory import Recorded
from lib_indetail.bank.recording import Recorder
from lib_indetail.errors import CannotAct

Planned = tuple[slice | list[int], Plan]
"""Rows of a UNet call, and the plan that they follow in a layer."""


class InDetailHooks:
    """Run-scoped hooks on one UNet of ldm or sgm structure.

    branches: for every bank, how it is recorded.
    planner: (u, row, layer's name) -> the plan of such rows there, or None for plain attention.
    attention: the host's attention.
    watch: writes down which shares of attention banks receive, if anybody wants to know.
    """

    def __init__(self, unet: nn.Module, branches: Mapping[str, Branch],
                 planner: Callable[[float, Row, str], Plan | None], attention: HostAttention | None = None,
                 watch: Watcher | None = None):
        self._unet, self._planner, self._watch = unet, planner, watch
        self._recorder = Recorder(unet, branches)
        self._layers = self._recorder.layers
        self._names = {module: name for name, module in self._layers.items()}
        self._attention = attention or HostAttention()
        blocks_of = {name: unet.get_submodule(name.rpartition(".")[0]) for name in self._layers}
        self._norms = {block.norm1: name for name, block in blocks_of.items() if hasattr(block, "norm1")}
        self._installed = Installed()
        self._sigma: float | None = None
        self._banks: dict[str, Recorded] = {}
        self._asleep = False
        self._finish()

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
    def evaluation(self, sigma: float, u: float, rows: Rows | Sequence[Row | Role]) -> Iterator[Rows]:
        """One evaluation of the denoiser at noise level `sigma` and position `u`. Gives what follows its rows through
        the UNet: of a list of them, a cursor."""
        if sigma != self._sigma:
            self._banks = {bank: layers for bank, layers in self._banks.items()
                           if self._recorder.level(bank, sigma) == self._recorder.level(bank, self._sigma)}
            self._sigma = sigma
        self._cursor, self._u = RowCursor(rows) if isinstance(rows, Sequence) else rows, u
        if self._watch:
            self._watch.begins(sigma, list(self._layers))
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
        self._installed.remove()
        self._recorder.forget()
        self._sigma, self._banks = None, {}
        self._finish()

    def _finish(self) -> None:
        self._cursor: Rows | None = None
        self._u = 0.0
        self._plans: dict[str, list[Planned]] = {}  # by layer
        self._row_count = 0
        self._answer: tuple[nn.Module, torch.Tensor] | None = None  # of a layer that was answered before its call
        self._normed: tuple[str, torch.Tensor] | None = None  # of the layer that is being run

    def _install(self) -> None:
        def indetail_before_unet(module, args, kwargs):
            self._before_unet(*_unet_inputs(args, kwargs))

        def indetail_before_attention(module, args, kwargs):
            return self._before_attention(module, args, kwargs)

        def indetail_after_attention(module, args, kwargs, output):
            return self._after_attention(module, args, kwargs, output)

        def indetail_after_norm(module, args, output):
            if self._reading:
                self._normed = self._norms[module], output

        self._installed.before(self._unet, indetail_before_unet)
        for norm in self._norms:
            self._installed.after(norm, indetail_after_norm)
        for module in self._layers.values():
            self._installed.before(module, indetail_before_attention)
            self._installed.after(module, indetail_after_attention, with_kwargs=True)
        self._recorder.ear.install(self._installed)

    @property
    def _reading(self) -> bool:
        return bool(self._plans) and not self._asleep and not self._recorder.ear.active

    def _before_unet(self, x: torch.Tensor, timesteps: torch.Tensor, context: torch.Tensor | None) -> None:
        """Say which rows of this call follow which plan, and see to what they will read."""
        if self._recorder.ear.active or self._asleep or self._cursor is None:
            return
        rows = self._cursor.take(len(x), context)
        self._plans = {name: planned for name in self._names.values() if (planned := self._planned(rows, name))}
        self._row_count = len(x)
        for name, planned in self._plans.items():
            for bank in (bank for _, plan in planned for bank in plan.banks):
                if not self._recorder.records(bank, name):
                    raise CannotAct(f"a plan reads {bank!r} in {name}, where it is not recorded")
                if bank not in self._banks:
                    self._banks[bank] = self._recorder.bank(bank, self._sigma, x, timesteps)

    def _planned(self, rows: Sequence[Row], layer: str) -> list[Planned]:
        """Rows with one plan are answered together."""
        groups: dict[int, tuple[list[int], Plan]] = {}
        for number, row in enumerate(rows):
            if row.role != "other" and (plan := self._planner(self._u, row, layer)) is not None:
                groups.setdefault(id(plan), ([], plan))[0].append(number)
        return [(together(numbers), plan) for numbers, plan in groups.values()]

    def _before_attention(self, module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        """Where nobody else is at work on a layer: answer it whole, each projection once, and leave its own call one
        token to do. Others may count on being called with all rows."""
        self._answer = None
        if not self._reading or self._names[module] not in self._plans or not self._alone_on(module):
            return None
        x, context = _attention_inputs(args, kwargs)
        if len(x) != self._row_count or (context is not None and context is not x) or \
                any(each is not None for each in args[2:]) or not self._attention.is_plain(kwargs):
            return None
        self._answer = module, self._answered_whole(module, x)
        return (x[:1, :1],), {}

    def _alone_on(self, module: nn.Module) -> bool:
        ours = {module: (1, 1), module.to_k: (0, 1), module.to_v: (0, 1)}
        return self._attention.is_own(module) and all(
            (len(part._forward_pre_hooks), len(part._forward_hooks)) == ours.get(part, (0, 0))
            for part in module.modules())

    def _answered_whole(self, module: nn.Module, x: torch.Tensor) -> torch.Tensor:
        queries, (keys, values) = module.to_q(x), self._attention.keys_values(module, x)
        banks, heads = self._banks_of(module), torch.empty_like(queries)
        planned = self._plans[self._names[module]]
        plain = rows_but([row for rows, _ in planned for row in row_numbers(rows)], len(x))
        if plain:
            heads[plain] = self._attention.heads(module, queries[plain], keys[plain], values[plain])
        for rows, plan in planned:
            heads[rows] = self._evaluated(plan, HeadsCall(self._attention, module, queries[rows], keys[rows],
                                                          values[rows], banks))
        return self._attention.project(module, heads)

    def _banks_of(self, module: nn.Module) -> dict:
        name = self._names[module]
        return {bank: layers[name] for bank, layers in self._banks.items() if name in layers}

    def _after_attention(self, module: nn.Module, args: tuple, kwargs: dict, output: torch.Tensor):
        """Replace the planned rows of a layer's output; all others keep the host's own bits."""
        if self._answer is not None and self._answer[0] is module:
            _, answer = self._answer
            self._answer = None
            return answer
        if not self._reading:
            return None
        x, context = _attention_inputs(args, kwargs)
        name = self._names[module]
        planned = self._plans.get(name, []) if len(x) == self._row_count else self._laid_end_to_end(x, name)
        if not planned:
            return None
        context = x if context is None else context
        value = kwargs.get("value")
        result, banks = output.clone(), self._banks_of(module)
        for rows, plan in planned:
            result[rows] = self._evaluated(plan, LayerCall(
                self._attention, module, x[rows], context[rows], output[rows], banks,
                value[rows] if torch.is_tensor(value) else None))
        return result

    def _evaluated(self, plan: Plan, call: Call) -> torch.Tensor:
        if self._watch:
            self._watch.layer(self._names[call.module], plan, call)
        return evaluate(plan, call)

    def _laid_end_to_end(self, x: torch.Tensor, name: str) -> list[Planned]:
        """The plan of a call with one row that holds the tokens of several, as shared attention (StyleAlign) makes
        it of the cond rows and of the uncond rows in turn. Which they are is told by what the layer was given."""
        if self._normed is None or self._normed[0] != name or len(x) != 1:
            return []
        normed = self._normed[1]
        for rows, plan in self._plans.get(name, []):
            wanted = normed[rows].reshape(1, -1, normed.shape[-1])
            if wanted.shape == x.shape and torch.equal(wanted, x):
                return [(slice(0, 1), plan)]
        return []


def _attention_inputs(args: tuple, kwargs: dict) -> tuple[torch.Tensor, torch.Tensor | None]:
    x = args[0] if args else kwargs["x"]
    return x, args[1] if len(args) > 1 else kwargs.get("context")


def _unet_inputs(args: tuple, kwargs: dict) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    names = ("x", "timesteps", "context")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    return given["x"], given["timesteps"], given.get("context")
