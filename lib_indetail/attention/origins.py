"""Where the keys and values of a plan come from. An origin says which banks it reads, makes its keys and values of a
call, and names whose attention it receives: a new one is written here, or beside the method that needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from lib_indetail.attention.bias import KeysValues
from lib_indetail.attention.calls import Call
from lib_indetail.attention.rows import Row
from lib_indetail.errors import CannotAct

OWN_NAME = "own"


class Origin(Protocol):
    @property
    def banks(self) -> tuple[str, ...]:
        """The banks that must be there."""

    def keys_values(self, call: Call) -> KeysValues:
        """[1 or rows, keys, C'] each."""

    @property
    def shares(self) -> Mapping[str, float]:
        """Whose attention it is that goes to its keys, by name; together 1."""


@dataclass(frozen=True)
class Named:
    """Keys and values that are called by a name and read no bank."""

    name: str
    banks = ()

    @property
    def shares(self) -> Mapping[str, float]:
        return {self.name: 1.0}


@dataclass(frozen=True)
class Own:
    """The row's own keys and values."""

    banks = ()
    shares = {OWN_NAME: 1.0}  # noqa: RUF012

    def keys_values(self, call: Call) -> KeysValues:
        return call.entered.own_keys_values()


@dataclass(frozen=True)
class Bank(Named):
    """Keys and values recorded under this name."""

    @property
    def banks(self) -> tuple[str, ...]:
        return (self.name,)

    def keys_values(self, call: Call) -> KeysValues:
        return call.read.banks[self.name]


@dataclass(frozen=True)
class Text(Named):
    """At a site of cross-attention, the method's text rows of this name."""

    def keys_values(self, call: Call) -> KeysValues:
        return call.read.texts(self.name)


@dataclass(frozen=True)
class Extra(Named):
    """Tokens that the method gives with the site, under this name."""

    def keys_values(self, call: Call) -> KeysValues:
        return call.read.extra[self.name]


@dataclass(frozen=True)
class OfRow:
    """Another row's own keys and values: of this call, or of an earlier one of the same evaluation. The method names
    such rows (`Method.read_rows`)."""

    row: Row
    banks = ()

    @property
    def shares(self) -> Mapping[str, float]:
        return {f"{self.row.role} {self.row.image}": 1.0}

    def keys_values(self, call: Call) -> KeysValues:
        if self.row not in call.read.rows:
            raise CannotAct(f"{{someone}} keeps a row apart that others read ({self.row.role} {self.row.image} in "
                            f"{call.site.name})")
        return call.read.rows[self.row]


@dataclass(frozen=True)
class Blend:
    """(1 - amount) first + amount second: keys and values between two origins with as many keys."""

    first: Origin
    second: Origin
    amount: float

    @property
    def banks(self) -> tuple[str, ...]:
        return (*self.first.banks, *self.second.banks)

    @property
    def shares(self) -> Mapping[str, float]:
        shares = {name: (1 - self.amount) * share for name, share in self.first.shares.items()}
        for name, share in self.second.shares.items():
            shares[name] = shares.get(name, 0.0) + self.amount * share
        return shares

    def keys_values(self, call: Call) -> KeysValues:
        return tuple(torch.lerp(a, b, self.amount)
                     for a, b in zip(self.first.keys_values(call), self.second.keys_values(call), strict=True))
