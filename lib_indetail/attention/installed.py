"""Hooks that come off again, whatever has happened to the modules meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


class Installed:
    """Every hook that was put on a module, by kind of hook."""

    def __init__(self) -> None:
        self._handles: list[tuple[_Registry, torch.utils.hooks.RemovableHandle]] = []

    def after(self, module: nn.Module, hook: Callable, with_kwargs: bool = False) -> None:
        """`hook(module, args[, kwargs], output)` after the module's forward."""
        self._keep(module, "_forward_hooks", module.register_forward_hook(hook, with_kwargs=with_kwargs))

    def before(self, module: nn.Module, hook: Callable) -> None:
        """`hook(module, args, kwargs)` before the module's forward."""
        self._keep(module, "_forward_pre_hooks", module.register_forward_pre_hook(hook, with_kwargs=True))

    def remove(self) -> None:
        """May be called at any time, and again."""
        while self._handles:
            registry, handle = self._handles.pop()
            handle.remove()
            registry.pop(handle.id)  # a registry that was rebuilt meanwhile keeps what its handle removes

    def _keep(self, module: nn.Module, registry: str, handle: torch.utils.hooks.RemovableHandle) -> None:
        self._handles.append((_Registry(module, registry), handle))


class _Registry:
    """A module's hook registry, looked up when it is needed: other extensions put new dicts in its place."""

    def __init__(self, module: nn.Module, attribute: str):
        self._module, self._attribute = module, attribute

    def pop(self, key: int) -> None:
        getattr(self._module, self._attribute).pop(key, None)
