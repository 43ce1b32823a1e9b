"""The hook object: puts a method to work on a UNet. It records the image latents' keys and values, and lets rows read
them.

    with InDetailHooks(unet, branches, method) as hooks:
        ...                                    # once per evaluation of the denoiser:
        with hooks.evaluation(sigma, u, rows):
            ...                                # the host's UNet calls, in the order of `rows`

Nothing is left on the UNet afterwards, whatever was raised.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import nn

from lib_indetail.attention.at_work import AtWork
from lib_indetail.attention.entered import BeforeProjection, BehindModule, of_module
from lib_indetail.attention.host_attention import HostAttention
from lib_indetail.attention.installed import Installed
from lib_indetail.attention.layers import sites
from lib_indetail.attention.method import Method
from lib_indetail.attention.received import Watcher
from lib_indetail.attention.rows import Role, Row, Rows
from lib_indetail.attention.sites import Site
from lib_indetail.bank.image_branch import Branch
from lib_indetail.bank.recording import Recorder


class InDetailHooks:
    """Run-scoped hooks on one UNet of ldm or sgm structure.

    branches: for every bank, how it is recorded.
    method: what rows read where.
    attention: the host's attention.
    watch: writes down which shares of attention banks receive, if anybody wants to know.
    functions: sites that are no modules; who meets them asks `at_work.answered`.
    """

    def __init__(self, unet: nn.Module, branches: Mapping[str, Branch], method: Method,
                 attention: HostAttention | None = None, watch: Watcher | None = None, functions: Sequence[Site] = ()):
        self._unet, self._attention = unet, attention or HostAttention()
        self._recorder = Recorder(unet, branches, functions)
        modules = sites(unet, method.where)
        self._sites = {site.name: module for site, module in modules.items()}
        self._names = {module: name for name, module in self._sites.items()}
        known = [*modules, *(site for site in functions if any(where.has(site) for where in method.where))]
        self.at_work = AtWork(method, {site.name: site for site in known}, self._recorder, watch)
        self._self_attention = {site.name for site in known if site.kind == "self"}
        self._norms = self._norms_of(self._self_attention)
        self._installed = Installed()
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
        try:
            with self.at_work.evaluation(sigma, u, rows) as followed:
                yield followed
        finally:
            self._finish()

    def asleep(self) -> contextlib.AbstractContextManager[None]:
        """What goes through the layers meanwhile is left alone: somebody's own pass within a UNet call."""
        return self.at_work.asleep()

    def replaced(self, layer: str, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
                 answer: torch.Tensor) -> torch.Tensor:
        """What a layer has, [rows, tokens, C'], before its output projection, where somebody's function has given
        `answer` in its place: that is the rows' own stratum."""
        module = self._sites.get(layer)
        if module is None:
            return answer
        met = BeforeProjection(module.heads, queries, keys, values, of_module(self._attention, module), answer)
        return self.at_work.answered(layer, met, partial(self._keys_values, module))

    @property
    def unmet(self) -> list[str]:
        """Layers of which the evaluation at hand has plans and which nobody has come by."""
        return self.at_work.unmet

    def remove(self) -> None:
        """Take everything off the UNet and forget all tensors. May be called at any time, and again."""
        self._installed.remove()
        self.at_work.forget()
        self._finish()

    def _finish(self) -> None:
        self._answer: tuple[nn.Module, torch.Tensor] | None = None  # of a layer that was answered before its call
        self._normed: tuple[str, torch.Tensor] | None = None  # of the layer that is being run

    def _norms_of(self, names: set[str]) -> dict[nn.Module, str]:
        """What makes the input of each self-attention of these."""
        blocks = {name: self._unet.get_submodule(name.rpartition(".")[0]) for name in self._sites if name in names}
        return {block.norm1: name for name, block in blocks.items() if hasattr(block, "norm1")}

    def _install(self) -> None:
        def indetail_before_unet(module, args, kwargs):
            self.at_work.begins_call(*_unet_inputs(args, kwargs))

        def indetail_before_attention(module, args, kwargs):
            return self._before_attention(module, args, kwargs)

        def indetail_after_attention(module, args, kwargs, output):
            return self._after_attention(module, args, kwargs, output)

        def indetail_after_norm(module, args, output):
            if self.at_work.acting:
                self._normed = self._norms[module], output

        self._installed.before(self._unet, indetail_before_unet)
        for norm in self._norms:
            self._installed.after(norm, indetail_after_norm)
        for module in self._sites.values():
            self._installed.before(module, indetail_before_attention)
            self._installed.after(module, indetail_after_attention, with_kwargs=True)
        self._recorder.ear.install(self._installed)

    def _before_attention(self, module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        """Where nobody else is at work on a layer: answer it whole, each projection once, and leave its own call one
        token to do. Others may count on being called with all rows."""
        self._answer, name = None, self._names[module]
        if not self.at_work.acting or not self.at_work.planned(name) or not self._alone_on(module):
            return None
        x, context = _attention_inputs(args, kwargs)
        is_plain = not any(each is not None for each in args[2:]) and self._attention.is_plain(kwargs)
        is_foreign = name in self._self_attention and context is not None and context is not x
        if len(x) != self.at_work.row_count or not is_plain or is_foreign:
            return None
        context = x if context is None else context
        queries, (keys, values) = module.to_q(x), self._attention.keys_values(module, context)
        met = BeforeProjection(module.heads, queries, keys, values, of_module(self._attention, module))
        heads = self.at_work.answered(name, met, partial(self._keys_values, module))
        self._answer = module, self._attention.project(module, heads)
        return (x[:1, :1], *(() if context is x else (context[:1, :1],))), {}

    def _alone_on(self, module: nn.Module) -> bool:
        heard = (0, 1) if self._names[module] in self._recorder.layers else (0, 0)
        ours = {module: (1, 1), module.to_k: heard, module.to_v: heard}
        return self._attention.is_own(module) and all(
            (len(part._forward_pre_hooks), len(part._forward_hooks)) == ours.get(part, (0, 0))
            for part in module.modules())

    def _keys_values(self, module: nn.Module, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self._attention.keys_values(module, text.to(module.to_k.weight))

    def _after_attention(self, module: nn.Module, args: tuple, kwargs: dict, output: torch.Tensor):
        """Replace the planned rows of a layer's output; all others keep the host's own bits."""
        if self._answer is not None and self._answer[0] is module:
            _, answer = self._answer
            self._answer = None
            return answer
        if not self.at_work.acting:
            return None
        x, context = _attention_inputs(args, kwargs)
        name, value = self._names[module], kwargs.get("value")
        met = BehindModule(self._attention, module, x, x if context is None else context, output,
                           value if torch.is_tensor(value) else None)
        if len(x) == self.at_work.row_count:
            return self.at_work.changed(name, met, partial(self._keys_values, module))
        plan = self._laid_end_to_end(x, name)
        return plan and self.at_work.changed_together(name, met, plan)

    def _laid_end_to_end(self, x: torch.Tensor, name: str):
        """The plan of a call with one row that holds the tokens of several, as shared attention (StyleAlign) makes
        it of the cond rows and of the uncond rows in turn. Which they are is told by what the layer was given."""
        if self._normed is None or self._normed[0] != name or len(x) != 1:
            return None
        normed = self._normed[1]
        for rows, plan in self.at_work.planned(name):
            wanted = normed[rows].reshape(1, -1, normed.shape[-1])
            if wanted.shape == x.shape and torch.equal(wanted, x):
                return plan
        return None


def _attention_inputs(args: tuple, kwargs: dict) -> tuple[torch.Tensor, torch.Tensor | None]:
    x = args[0] if args else kwargs["x"]
    return x, args[1] if len(args) > 1 else kwargs.get("context")


def _unet_inputs(args: tuple, kwargs: dict) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    names = ("x", "timesteps", "context")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    return given["x"], given["timesteps"], given.get("context")
