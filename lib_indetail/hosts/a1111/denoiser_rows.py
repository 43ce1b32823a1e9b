"""Which rows an evaluation of the denoiser sends to the UNet, from the host's own callback."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence

import torch

from lib_indetail.attention.rows import Row, roles_by_text
from lib_indetail.run.host import Texts

RowsOf = Callable[..., tuple[Row, ...]]


class DenoiserRows:
    """Listens only while image prompts act, so that nothing of other generations is held.

    The callback's object is kept, not copied: extensions that come later in the callback change it in place.
    """

    def __init__(self) -> None:
        self.listening = False
        self._params = None
        self._texts: Texts | None = None

    def listen(self, params) -> None:
        if not self.listening:
            return
        self._params = params
        if self._texts is not None:
            cond, uncond = self._texts(_text_rows(params.text_cond), _text_rows(params.text_uncond))
            params.text_cond = _with_rows(params.text_cond, cond)
            params.text_uncond = _with_rows(params.text_uncond, uncond)

    def forget(self) -> None:
        self._params = None

    @contextlib.contextmanager
    def replacing(self, texts: Texts | None) -> Iterator[None]:
        """Other text rows stand in the place of an evaluation's own."""
        self._texts = texts
        try:
            yield
        finally:
            self._texts = None

    def of(self, denoiser, parts: Sequence[int]) -> tuple[RowsOf, RowsOf]:
        """Rows of an evaluation, as its first call will find them; and those of somebody's extra pass within it, by
        their text. `parts` are the numbers of AND prompts of the batch's images."""
        def rows() -> tuple[Row, ...]:
            params = self._params
            if params is None or params.denoiser is not denoiser:
                return ()
            cond = params.text_cond.shape[0]
            return _cond_rows(cond, parts) + tuple(Row("uncond", number % len(parts))
                                                   for number in range(len(params.x) - cond))

        def extra(context: torch.Tensor) -> tuple[Row, ...]:
            if self._params is None:
                return (Row("other"),) * len(context)
            roles = roles_by_text(context, _text_rows(self._params.text_cond), _text_rows(self._params.text_uncond))
            known = _cond_rows(roles.count("cond"), parts)
            images = {"cond": (row.image for row in known), "uncond": (i % len(parts) for i in itertools.count())}
            return tuple(Row(role, next(images[role])) if role in images else Row(role) for role in roles)

        return rows, extra


def _cond_rows(count: int, parts: Sequence[int]) -> tuple[Row, ...]:
    """Image by image, with all its AND prompts; where another extension has changed how many there are, evenly."""
    images = [image for image, part in enumerate(parts) for _ in range(part)]
    if len(images) != count:
        images = [number * len(parts) // count for number in range(count)]
    return tuple(Row("cond", image) for image in images)


def _text_rows(conditioning) -> torch.Tensor | None:
    """[n, tokens, D] of SD's tensor or SDXL's dict."""
    return conditioning["crossattn"] if isinstance(conditioning, dict) else conditioning


def _with_rows(conditioning, rows: torch.Tensor | None):
    """The same with other text rows."""
    if not isinstance(conditioning, dict):
        return rows
    return type(conditioning)({**conditioning, "crossattn": rows})


rows = DenoiserRows()
