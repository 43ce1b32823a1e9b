"""Chains on disk: exact, bounded, and never half."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import signal
import time

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from lib_indetail.kept.chain_files import SUFFIX, ChainStore
from lib_indetail.noise.chain import Chain
from tests.small import randn

ROOM = 10**8


def chain(seed: int = 0, nodes: int = 5, size: int = 16) -> Chain:
    return Chain(tuple(0.1 * (k + 1) for k in range(nodes)),
                 tuple(randn(1, 4, size, size, seed=9 * seed + k) for k in range(nodes)))


def same(a: Chain | None, b: Chain) -> bool:
    return a is not None and a.sigmas == b.sigmas and all(
        torch.equal(x, y) and x.shape == y.shape for x, y in zip(a.latents, b.latents, strict=True))


@pytest.fixture
def store(tmp_path):
    return ChainStore(lambda: tmp_path / "chains", lambda: ROOM)


def test_a_chain_comes_back_bit_by_bit_for_its_own_key_only(store, tmp_path):
    kept = chain()
    store.put(("picture", 1.5, None), kept)
    assert same(store.get(("picture", 1.5, None)), kept)
    assert same(ChainStore(lambda: tmp_path / "chains", lambda: ROOM).get(("picture", 1.5, None)), kept)
    assert store.get(("picture", 1.5, "")) is None
    assert len(store) == 1 and store.bytes > kept.bytes


def test_a_file_of_before_the_one_coordinate_is_not_found_and_nobody_warns(store, tmp_path, caplog):
    store.put("a", chain())
    (made,) = (tmp_path / "chains").iterdir()
    older = hashlib.sha256(repr("a").encode()).hexdigest()
    made.replace(made.with_name(f"{older[:32]}{SUFFIX}"))
    assert store.get("a") is None and caplog.records == []
    assert len(store) == 1


def test_nothing_is_there_at_first_and_after_clearing(store):
    assert (store.get("a"), len(store), store.bytes) == (None, 0, 0)
    store.put("a", chain())
    store.clear()
    assert (store.get("a"), len(store)) == (None, 0)


def test_a_budget_of_zero_writes_and_finds_nothing(tmp_path):
    ChainStore(lambda: tmp_path, lambda: ROOM).put("a", chain())
    off = ChainStore(lambda: tmp_path, lambda: 0)
    off.put("b", chain())
    assert off.get("a") is None
    assert len(list(tmp_path.iterdir())) == 1


def test_the_least_recently_used_goes_first(tmp_path):
    size = ChainStore(lambda: tmp_path / "probe", lambda: ROOM)
    size.put("a", chain())
    store = ChainStore(lambda: tmp_path / "chains", lambda: 3 * size.bytes)
    for name in "abc":
        store.put(name, chain(ord(name)))
        time.sleep(0.01)
    store.get("a")
    time.sleep(0.01)
    store.put("d", chain(4))
    assert [store.get(name) is not None for name in "abcd"] == [True, False, True, True]
    assert store.bytes <= 3 * size.bytes


def test_a_thousand_chains_stay_within_the_budget(tmp_path):
    store = ChainStore(lambda: tmp_path, lambda: 50_000)
    for i in range(1000):
        store.put(i, chain(i, nodes=2, size=4))
    assert 0 < store.bytes <= 50_000
    assert same(store.get(999), chain(999, nodes=2, size=4))


def damaged(path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path) -> None:
    path.write_bytes(b"")


def replaced_by_text(path) -> None:
    path.write_text("not ours")


def replaced_by_another_model(path) -> None:
    save_file({"weight": torch.zeros(3)}, path)


def given_another_key(path) -> None:
    other = ChainStore(lambda: path.parent / "other", lambda: ROOM)
    other.put("another key", chain(7))
    next((path.parent / "other").iterdir()).replace(path)


def made_infinite(path) -> None:
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
    save_file({"latents": torch.full((5, 1, 4, 16, 16), float("nan"))}, path, about)


def turned_around(path) -> None:
    with safe_open(path, framework="pt") as file:
        about, latents = file.metadata(), file.get_tensor("latents")
    save_file({"latents": latents}, path, {**about, "sigmas": "[3, 2, 1, 0.5, 0.1]"})


@pytest.mark.parametrize("harm", [damaged, emptied, replaced_by_text, replaced_by_another_model, given_another_key,
                                  made_infinite, turned_around])
def test_a_damaged_or_foreign_file_is_left_out_with_one_warning(store, tmp_path, caplog, harm):
    store.put("a", chain())
    harm(next((tmp_path / "chains").glob(f"*{SUFFIX}")))
    with caplog.at_level(logging.WARNING):
        assert [store.get("a") for _ in range(3)] == [None] * 3
    assert len(caplog.records) == 1
    store.put("a", chain())
    assert same(store.get("a"), chain())


def test_a_folder_that_cannot_be_written_is_one_warning_and_no_error(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    store = ChainStore(lambda: tmp_path / "file", lambda: ROOM)
    for _ in range(3):
        store.put("a", chain())
    assert store.get("a") is None
    assert len(caplog.records) == 1


def test_what_a_killed_writer_left_long_ago_goes_and_what_is_being_written_stays(store, tmp_path):
    store.put("a", chain())
    old, young = tmp_path / "chains" / "old.1.part", tmp_path / "chains" / "young.2.part"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    store.put("b", chain(1))
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system with fork")
def test_a_writer_killed_at_any_moment_harms_no_chain(tmp_path):
    store, names, dice = ChainStore(lambda: tmp_path, lambda: ROOM), range(4), random.Random(1)
    chains = {name: chain(name, nodes=20, size=64) for name in names}
    for name in names:
        store.put(name, chains[name])
    for _ in range(100):
        child = os.fork()
        if child == 0:
            while True:
                for name in names:
                    store.put(name, chains[name])
        time.sleep(dice.uniform(0.0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for name in names:
            assert same(store.get(name), chains[name])
    store.clear()
    assert list(tmp_path.iterdir()) == []
