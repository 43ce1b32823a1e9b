"""The ways a generation with an image prompt can be refused or stopped."""

from __future__ import annotations


class BadSetting(ValueError):
    """A value that cannot be used. The message is one sentence with field, value and range."""


class BadPicture(ValueError):
    """A picture that cannot be used. The message is one sentence with the reason."""


class Interrupted(Exception):
    """The person stopped the inversion; no chain came out of it."""
