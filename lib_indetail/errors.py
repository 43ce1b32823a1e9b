"""The ways a generation with an image prompt can be refused or stopped."""

from __future__ import annotations

SOMEONE = "another extension"
"""In the sentence of a CannotAct: who it is, where only the host's side can find out."""


class BadSetting(ValueError):
    """A value that cannot be used. The message is one sentence with field, value and range."""


class BadPicture(ValueError):
    """A picture that cannot be used. The message is one sentence with the reason."""


class CannotAct(Exception):
    """This model, or another extension at work on it, leaves no way to act. One sentence that says which."""


class InDetailError(Exception):
    """What a person sees when a generation is refused, in one sentence."""


class Interrupted(Exception):
    """The person stopped the inversion; no chain came out of it."""
