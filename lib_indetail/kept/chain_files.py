"""Chains on disk: one small file each, named by what it depends on, the least recently used removed first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from lib_indetail.kept.limited_folder import LimitedFolder
from lib_indetail.noise.chain import Chain

FORMAT = "InDetail chain 2"
"""Of the latents x0 + sigma eps; files of before are of another name, and go with the least recently used."""
SUFFIX = ".chain.safetensors"


class ChainStore:
    """`where()` gives the folder, `budget()` the bytes that its files may take together; 0 keeps and finds nothing.

    Keys are told apart by their `repr`. A file that is damaged or not ours is left out with one warning.
    """

    def __init__(self, where: Callable[[], Path], budget: Callable[[], int]):
        self._files = LimitedFolder(where, budget, SUFFIX)

    @property
    def bytes(self) -> int:
        return self._files.bytes

    def __len__(self) -> int:
        return len(self._files)

    def get(self, key: Hashable) -> Chain | None:
        path = self._files.find(_name(key))
        if path is None:
            return None
        try:
            chain = _read(path, _address(key))
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            self._files.warn(path, error)
            return None
        self._files.used(path)
        return chain

    def put(self, key: Hashable, chain: Chain) -> None:
        self._files.write(_name(key), _written(chain, _address(key)))

    def clear(self) -> None:
        """Remove all chains, also what a writer that was killed has left."""
        self._files.clear()


def _name(key: Hashable) -> str:
    return _address(key)[:32]


def _address(key: Hashable) -> str:
    return hashlib.sha256(repr((FORMAT, key)).encode()).hexdigest()


def _written(chain: Chain, address: str) -> bytes:
    latents = {"latents": torch.stack([latent.cpu() for latent in chain.latents])}
    return save(latents, {"format": FORMAT, "key": address, "sigmas": json.dumps(chain.sigmas)})


def _read(path: Path, address: str) -> Chain:
    """Raises ValueError or KeyError for a file that is no such chain."""
    with safe_open(path, framework="pt") as file:
        about = file.metadata() or {}
        if about.get("format") != FORMAT or about.get("key") != address:
            raise ValueError("it is no chain of ours")
        latents = file.get_tensor("latents")
    if not latents.isfinite().all():
        raise ValueError("it holds numbers that are none")
    return Chain(tuple(json.loads(about["sigmas"])), tuple(latents))
