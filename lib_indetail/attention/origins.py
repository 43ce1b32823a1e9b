"""Where the keys and values of a plan come from. An origin says which banks it reads, makes its keys and values of a
call, and names whose attention it receives: a new one is written here, or beside the method that needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from lib_indetail.attention.calls import Call, KeysValues

OWN_NAME = "own"


class Origin(Protocol):
    @property
    def banks(self) -> tuple[str, ...]:
        """The banks that must be there."""

    def keys_values(self, call: Call) -> KeysValues:
        """[1 or rows, keys, C'] each."""

    @property
    def shares(self) -> Mapping[str, float]:
        """Whose attention it is that goes to its keys, by bank or "own"; together 1."""


@dataclass(frozen=True)
class Own:
    """The row's own keys and values."""

    banks = ()
    shares = {OWN_NAME: 1.0}  # noqa: RUF012

    def keys_values(self, call: Call) -> KeysValues:
        return call.own_keys_values()


@dataclass(frozen=True)
class Bank:
    """Keys and values recorded under this name."""

    name: str

    @property
    def banks(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def shares(self) -> Mapping[str, float]:
        return {self.name: 1.0}

    def keys_values(self, call: Call) -> KeysValues:
        return call.banks[self.name]


@dataclass(frozen=True)
class Blend:
    """(1 - amount) first + amount second: keys and values between two banks of equal length."""

    first: str
    second: str
    amount: float

    @property
    def banks(self) -> tuple[str, ...]:
        return self.first, self.second

    @property
    def shares(self) -> Mapping[str, float]:
        return {self.first: 1 - self.amount, self.second: self.amount}

    def keys_values(self, call: Call) -> KeysValues:
        return tuple(torch.lerp(a, b, self.amount)
                     for a, b in zip(call.banks[self.first], call.banks[self.second], strict=True))
