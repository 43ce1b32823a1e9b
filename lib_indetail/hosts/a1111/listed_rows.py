"""Which rows an evaluation of the WebUI's denoiser sends to the UNet: the host lists them once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch

from lib_indetail.attention.rows import Row, RowCursor, roles_by_text
from lib_indetail.hosts.webui.denoiser_callback import callback, text_rows


def listed_rows(denoiser, parts: Sequence[int]) -> RowCursor:
    """Rows of an evaluation, as its first call will find them; and those of somebody's extra pass within it, by
    their text. `parts` are the numbers of AND prompts of the batch's images."""
    def rows() -> tuple[Row, ...]:
        params = callback.of(denoiser)
        if params is None:
            return ()
        cond = params.text_cond.shape[0]
        return _cond_rows(cond, parts) + tuple(Row("uncond", number % len(parts))
                                               for number in range(len(params.x) - cond))

    def extra(context: torch.Tensor) -> tuple[Row, ...]:
        params = callback.of(denoiser)
        if params is None:
            return (Row("other"),) * len(context)
        roles = roles_by_text(context, text_rows(params.text_cond), text_rows(params.text_uncond))
        known = _cond_rows(roles.count("cond"), parts)
        images = {"cond": (row.image for row in known), "uncond": (i % len(parts) for i in itertools.count())}
        return tuple(Row(role, next(images[role])) if role in images else Row(role) for role in roles)

    return RowCursor(rows, extra)


def _cond_rows(count: int, parts: Sequence[int]) -> tuple[Row, ...]:
    """Image by image, with all its AND prompts; where another extension has changed how many there are, evenly."""
    images = [image for image, part in enumerate(parts) for _ in range(part)]
    if len(images) != count:
        images = [number * len(parts) // count for number in range(count)]
    return tuple(Row("cond", image) for image in images)
