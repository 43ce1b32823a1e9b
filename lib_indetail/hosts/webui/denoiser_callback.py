"""What the host's own callback tells of an evaluation of its CFG denoiser: its latents and its text rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from lib_indetail.attention.method import TextOf
from lib_indetail.run.host import Text, Texts


class DenoiserCallback:
    """Listens only while image prompts act, so that nothing of other generations is held.

    The callback's object is kept, not copied: extensions that come later in the callback change it in place.
    """

    def __init__(self) -> None:
        self.listening = False
        self._params = None
        self._texts: Texts | None = None
        self._text_of: TextOf | None = None

    def listen(self, params) -> None:
        if not self.listening:
            return
        self._params = params
        if self._texts is not None:
            cond, uncond = self._texts(params.text_cond, params.text_uncond, self._text_of)
            params.text_cond, params.text_uncond = _as(params.text_cond, cond), _as(params.text_uncond, uncond)

    def forget(self) -> None:
        self._params = None

    def of(self, denoiser) -> Any | None:
        """The params of this denoiser's evaluation, once the host has told of it."""
        return self._params if self._params is not None and self._params.denoiser is denoiser else None

    @contextlib.contextmanager
    def replacing(self, texts: Texts | None, text_of: TextOf) -> Iterator[None]:
        """Other text rows stand in the place of an evaluation's own; `text_of` gives those of other prompts."""
        self._texts, self._text_of = texts, text_of
        try:
            yield
        finally:
            self._texts = self._text_of = None


def text_rows(conditioning) -> torch.Tensor | None:
    """[n, tokens, D] of SD's tensor or SDXL's dict."""
    return conditioning["crossattn"] if isinstance(conditioning, dict) else conditioning


def _as(conditioning, text: Text | None):
    """A text in the form that the host has for one."""
    return type(conditioning)(text) if isinstance(conditioning, dict) else text


callback = DenoiserCallback()
