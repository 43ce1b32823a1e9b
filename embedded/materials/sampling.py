"""What is drawn together: tiles and silhouettes by lot, without what is held out; and captions."""

from __future__ import annotations

import torch

from embedded.materials.stock import Stock
from embedded.pictures import EMPTY_SHARE, PAIR_SHARE, TEMPLATES, with_article

HELD_OUT_PAIRS = 10
"""One in so many pairs of silhouette and family is never drawn in training."""


class Lots:
    """Pairs of [n] tiles and [n] silhouettes, by their numbers in the stock."""

    def __init__(self, stock: Stock):
        self._stock = stock
        self._families = stock.family_numbers().cpu()
        self._seen = (~stock.unseen).nonzero().flatten().cpu()
        self._unseen = stock.unseen.nonzero().flatten().cpu()

    def is_held_out(self, tiles: torch.Tensor, shapes: torch.Tensor) -> torch.Tensor:
        """[n]: whether the pair of family and silhouette is."""
        return (3 * self._families[tiles] + 7 * shapes) % HELD_OUT_PAIRS == 0

    def seen(self, count: int, lot: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """For training."""
        tiles = self._seen[torch.randint(len(self._seen), (count,), generator=lot)]
        shapes = torch.randint(len(self._stock.shapes), (count,), generator=lot)
        while (bad := self.is_held_out(tiles, shapes)).any():
            shapes[bad] = torch.randint(len(self._stock.shapes), (int(bad.sum()),), generator=lot)
        return tiles, shapes

    def couples(self, count: int, lot: torch.Generator,
                share: float = PAIR_SHARE) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """For training: beside some silhouettes another one of the same material, else -1. So self-attention learns
        that what belongs together is of one material."""
        tiles, first = self.seen(count, lot)
        second = torch.randint(len(self._stock.shapes), (count,), generator=lot)
        while (bad := (second == first) | self.is_held_out(tiles, second)).any():
            second[bad] = torch.randint(len(self._stock.shapes), (int(bad.sum()),), generator=lot)
        return tiles, first, torch.where(torch.rand(count, generator=lot) < share, second, -1)

    def unseen(self, count: int, lot: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """For measuring: materials that no training has seen, each tile once before any comes again."""
        order = torch.cat([self._unseen[torch.randperm(len(self._unseen), generator=lot)]
                           for _ in range(-(-count // max(1, len(self._unseen))))])[:count]
        return order, torch.randint(len(self._stock.shapes), (count,), generator=lot)


def captions(stock: Stock, shapes: torch.Tensor, others: torch.Tensor, lot: torch.Generator) -> list[str]:
    """The silhouettes' names in one of some sentences, and now and then nothing. The material is never named: only a
    picture can say it."""
    which = torch.randint(len(TEMPLATES), (len(shapes),), generator=lot).tolist()
    empty = (torch.rand(len(shapes), generator=lot) < EMPTY_SHARE).tolist()
    named = [" and ".join(with_article(stock.shapes[each]) for each in both if each >= 0)
             for both in zip(shapes.tolist(), others.tolist(), strict=True)]
    return ["" if none else TEMPLATES[template].format(name)
            for name, template, none in zip(named, which, empty, strict=True)]
