"""Keys and values come to the device one level ahead, two levels at most, and always those that were kept."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.bank.memory import BankMemory
from lib_indetail.bank.streaming import OneAhead, Transfer
from lib_indetail.kept.cache import Cache

CPU = torch.device("cpu")
LEVELS = (9.0, 5.0, 2.0, 1.0)


def layers(value: float) -> dict:
    return {"layer": (torch.full((1, 4, 8), value), torch.full((1, 4, 8), -value))}


class Transfers:
    """Writes down which level was sent, when it was taken, and how many are held."""

    def __init__(self):
        self.log, self.held, self.most = [], 0, 0
        log = self

        class Watched(Transfer):
            def __init__(self, given, device):
                super().__init__(given, device)
                self.value = given["layer"][0].flatten()[0].item()
                log.log.append(("sent", self.value))
                log.held += 1
                log.most = max(log.most, log.held)

            def arrived(self):
                log.log.append(("read", self.value))
                return super().arrived()

            def __del__(self):
                log.held -= 1

        self.transfer = Watched


@pytest.fixture
def memory():
    memory = BankMemory(Cache(lambda: 10**6), "picture")
    for sigma in LEVELS:
        memory.keep("image", sigma, layers(sigma))
    return memory


def test_the_next_level_is_sent_before_the_present_one_is_read(memory):
    transfers = Transfers()
    arriving = OneAhead(memory, transfers.transfer)
    for sigma in LEVELS:
        assert arriving.recall("image", sigma, CPU)["layer"][0].mean() == sigma
    assert transfers.log == [("sent", 9), ("sent", 5), ("read", 9), ("sent", 2), ("read", 5), ("sent", 1), ("read", 2),
                             ("read", 1)]
    assert transfers.most == 2


def test_a_level_that_was_not_expected_is_sent_when_it_is_asked_for(memory):
    arriving = OneAhead(memory)
    for sigma in (9.0, 2.0, 5.0, 5.0, 1.0, 9.0):
        assert arriving.recall("image", sigma, CPU)["layer"][0].mean() == sigma


def test_each_bank_comes_on_its_own(memory):
    for sigma in LEVELS:
        memory.keep("other", sigma, layers(10 * sigma))
    arriving = OneAhead(memory)
    for sigma in LEVELS:
        assert [float(arriving.recall(bank, sigma, CPU)["layer"][0].mean()) for bank in ("image", "other")] \
            == [sigma, 10 * sigma]


def test_what_was_recorded_anew_meanwhile_is_what_is_read(memory):
    arriving = OneAhead(memory)
    arriving.recall("image", 9.0, CPU)
    memory.keep("image", 5.0, layers(6.0))
    assert arriving.recall("image", 5.0, CPU)["layer"][0].mean() == 6.0


def test_what_was_dropped_meanwhile_is_not_read(memory):
    arriving = OneAhead(memory)
    arriving.recall("image", 9.0, CPU)
    memory.cache.clear()
    assert arriving.recall("image", 5.0, CPU) is None


def test_forgetting_holds_nothing(memory):
    transfers = Transfers()
    arriving = OneAhead(memory, transfers.transfer)
    arriving.recall("image", 9.0, CPU)
    arriving.forget()
    assert transfers.held == 0
