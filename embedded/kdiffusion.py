"""k-diffusion's samplers and denoisers, loaded from the installed package without its `__init__`,
which would want packages that sampling never needs."""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import distribution
from types import ModuleType

import torch

_NAME = "embedded_k_diffusion"


def append_dims(x: torch.Tensor, ndim: int) -> torch.Tensor:
    return x.reshape(*x.shape, *[1] * (ndim - x.ndim))


def _load(name: str) -> ModuleType:
    path = distribution("k-diffusion").locate_file(f"k_diffusion/{name}.py")
    spec = importlib.util.spec_from_file_location(f"{_NAME}.{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_package = ModuleType(_NAME)
_package.__path__ = []
_package.utils = ModuleType(f"{_NAME}.utils")
_package.utils.append_dims = append_dims
sys.modules |= {_NAME: _package, f"{_NAME}.utils": _package.utils}

sampling = _package.sampling = _load("sampling")
external = _package.external = _load("external")
