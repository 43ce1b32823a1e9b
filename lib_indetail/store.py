"""Chains on disk: one small file each, named by what it depends on, the least recently used removed first."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Hashable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from lib_indetail.chain import Chain

FORMAT = "InDetail chain 1"
ABANDONED_S = 3600  # a file that has been unfinished for so long belongs to a writer that was killed
SUFFIX = ".chain.safetensors"
logger = logging.getLogger(__name__)


class ChainStore:
    """`where()` gives the folder, `budget()` the bytes that its files may take together; 0 keeps and finds nothing.

    Keys are told apart by their `repr`. A file is written under another name and renamed, so that a reader never meets
    half of one. One that is damaged or not ours is left out with one warning.
    """

    def __init__(self, where: Callable[[], Path], budget: Callable[[], int]):
        self._where, self._budget = where, budget
        self._warned: set[Path] = set()

    @property
    def bytes(self) -> int:
        return sum(size for _, size, _ in self._files())

    def __len__(self) -> int:
        return len(self._files())

    def get(self, key: Hashable) -> Chain | None:
        path = self._path(key)
        if self._budget() <= 0 or not path.is_file():
            return None
        try:
            chain = _read(path, _address(key))
            os.utime(path)
            return chain
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            self._warn(path, error)
            return None

    def put(self, key: Hashable, chain: Chain) -> None:
        if chain.bytes > self._budget():
            return
        path = self._path(key)
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(_written(chain, _address(key)))
            unfinished.replace(path)
            self._make_room()
        except OSError as error:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            self._warn(path.parent, error)

    def clear(self) -> None:
        """Remove all chains, also what a writer that was killed has left."""
        for path in (*self._where().glob(f"*{SUFFIX}"), *self._where().glob("*.part")):
            path.unlink(missing_ok=True)

    def _path(self, key: Hashable) -> Path:
        return self._where() / f"{_address(key)[:32]}{SUFFIX}"

    def _files(self) -> list[tuple[float, int, Path]]:
        """Age, size and path, oldest first."""
        found = []
        for path in self._where().glob(f"*{SUFFIX}"):
            try:
                state = path.stat()
            except OSError:
                continue
            found.append((state.st_mtime, state.st_size, path))
        return sorted(found)

    def _make_room(self) -> None:
        for path in self._where().glob("*.part"):
            if path.stat().st_mtime < time.time() - ABANDONED_S:
                path.unlink(missing_ok=True)
        files = self._files()
        over = sum(size for _, size, _ in files) - self._budget()
        for _, size, path in files:
            if over <= 0:
                break
            path.unlink(missing_ok=True)
            over -= size

    def _warn(self, path: Path, error: Exception) -> None:
        if path not in self._warned:
            self._warned.add(path)
            logger.warning("%s is left out: %s", path, error)


def _address(key: Hashable) -> str:
    return hashlib.sha256(repr(key).encode()).hexdigest()


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
