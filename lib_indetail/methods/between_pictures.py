"""Between two pictures, or between none and one: what the main method has with either, in shares (PAID with banks).

With P_A and P_B the main method's own plans with each picture at that moment, a row at t of the way has
(1 - t) P_A + t P_B, so that the ends are the main method's. "Inner" ones read one bank that lies between both, where
both are concatenated alike. Texts lie between those of the ends, and cross-attention as in `interpolation`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from lib_indetail.attention.algebra import OWN, PLAIN, Mixture, Plan, Stratum
from lib_indetail.attention.method import Beside, Method
from lib_indetail.attention.origins import Bank, Blend
from lib_indetail.attention.rows import Row
from lib_indetail.attention.sites import Site, Where
from lib_indetail.methods.interpolation import Between, Interpolation, Phases, Way
from lib_indetail.noise.slerp import slerp

Starts = Callable[[float], tuple[torch.Tensor, torch.Tensor]]
"""Of a noise level: what both ends begin at, [1, C, h, w] each, as unit noise."""


class BetweenPictures(Interpolation):
    """`first` and `last` are the main method with either picture; `texts` says whether the ends' texts differ. With
    `starts` the images begin between those latents instead of at the pass's own noise."""

    def __init__(self, strip: Sequence[Between], phases: Phases, first: Method, last: Method, texts: bool,
                 guided: bool = False, blend: Way = torch.lerp, beside: Sequence[Beside] = (),
                 starts: Starts | None = None):
        super().__init__(strip, phases, guided, blend, beside)
        self._ends, self._texts, self._starts = (first, last), texts, starts
        self.where = tuple(dict.fromkeys((*first.where, *last.where, *((Where("cross", "all"),) if texts else ()))))
        self.read_rows = self.read_rows if texts else ()

    def plan(self, u: float, row: Row, site: Site) -> Plan | Mixture | None:
        if site.kind == "cross":
            return super().plan(u, row, site) if self._texts else None
        each = self._strip[row.image]
        plans = [method.plan(u, row._replace(image=each.first), site) if any(where.has(site) for where in method.where)
                 else None for method in self._ends]
        if plans[0] is plans[1] or each.t in (0, 1):
            return plans[int(each.t)]
        key = each.t, *plans
        if key not in self._plans:
            self._plans[key] = shared(*(plan or PLAIN for plan in plans), each.t, self._phases.early.endswith("inner"))
        return self._plans[key]

    def started(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        if self._starts is None:
            return super().started(x, sigma)
        ends = self._starts(sigma)
        return torch.cat([slerp(*ends, each.t) for each in self._strip]).to(x)


def shared(first: Plan, last: Plan, t: float, is_inner: bool = False) -> Plan | Mixture:
    """(1 - t) of one plan and t of the other; or one plan between them, where that is wanted and there is one."""
    return (is_inner and _blended(first, last, t)) or Mixture(((1 - t, first), (t, last)))


def _blended(first: Plan, last: Plan, t: float) -> Plan | None:
    """Where both are one softmax over own keys and a whole bank: over own keys and the bank between."""
    if len(first) != 1 or len(last) != 1 or any(len(stratum.sources) != 2 for stratum in (*first, *last)):
        return None
    banks = [plan[0].sources[1] for plan in (first, last)]
    if any(plan[0].sources[0] is not OWN for plan in (first, last)) or not all(
            isinstance(bank.origin, Bank) and bank.keep is None and isinstance(bank.bias or 0.0, float)
            for bank in banks):
        return None
    biases = [bank.bias or 0.0 for bank in banks]
    between = Blend(banks[0].origin, banks[1].origin, t)
    return Plan(Stratum((OWN, replace(banks[0], origin=between, bias=biases[0] + t * (biases[1] - biases[0])))))
