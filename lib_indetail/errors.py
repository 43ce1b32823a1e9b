"""The ways a generation with an image prompt can be refused or stopped.

Each holds what is known of it in fields. The sentence for a person is made of them where it is shown, by `str`.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

SOMEONE = "another extension"
Numbered = TypeVar("Numbered", bound="_OfPrompt")


class _OfPrompt(Exception):
    """Of the image prompt with this number among several; None where there is one, or where it is about all."""

    number: int | None = None

    def of_prompt(self: Numbered, number: int) -> Numbered:
        """The same of the image prompt with this number."""
        other = copy.copy(self)
        other.number = number
        return other

    def __str__(self) -> str:
        return self.sentence if self.number is None else f"Image prompt {self.number}: {self.sentence}"

    @property
    def sentence(self) -> str:
        raise NotImplementedError


class Refused(_OfPrompt, ValueError):
    """What was asked for cannot be used. `why` is a sentence, or goes on from `field`, the label of what is refused;
    `value` is what was given."""

    joint = " "

    def __init__(self, why: str, field: str = "", value: Any = None, number: int | None = None):
        super().__init__(why, field, value, number)
        self.why, self.field, self.value, self.number = why, field, value, number

    @property
    def sentence(self) -> str:
        return f"{self.field}{self.joint}{self.why}" if self.field else self.why


class BadSetting(Refused):
    """A value that cannot be used."""


class BadPicture(Refused):
    """A picture that cannot be used: `why` is a sentence of its own."""

    joint = ": "

    def of_field(self, field: str) -> BadPicture:
        """The same of a field with this label, unless it names one already."""
        return self if self.field else BadPicture(self.why, field, self.value, self.number)


class CannotAct(_OfPrompt):
    """This model, or what is at work on it, leaves no way to act. `reason` is the end of a sentence. Where
    "{someone}" stands in it, it was another extension: `by` names those that it may be, where a host finds out."""

    def __init__(self, reason: str, by: tuple[str, ...] = (), number: int | None = None):
        super().__init__(reason, by, number)
        self.reason, self.by, self.number = reason, by, number

    @property
    def is_of_someone(self) -> bool:
        return "{someone}" in self.reason

    def blamed(self, by: tuple[str, ...]) -> CannotAct:
        """The same, by these extensions, if it is about one."""
        return CannotAct(self.reason, by, self.number) if self.is_of_someone else self

    @property
    def sentence(self) -> str:
        someone = f"{SOMEONE} ({', '.join(self.by)})" if self.by else SOMEONE
        return f"InDetail cannot act: {self.reason.replace('{someone}', someone)}."


class InDetailError(Exception):
    """What a person sees when a generation is refused, in one sentence."""


class Interrupted(Exception):
    """The person stopped the inversion; no chain came out of it."""
