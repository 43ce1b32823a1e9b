"""One evaluation after another of a method at work: which rows of a call follow which plan at a site, what they read
and what they get. It knows of no module: who meets a site's rows asks it (`hooks`, a host's replacement, a
function)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

from lib_indetail.attention.algebra import Plan, evaluate
from lib_indetail.attention.bias import KeysValues
from lib_indetail.attention.calls import Call, Readable
from lib_indetail.attention.entered import BeforeProjection, BehindModule, Entry
from lib_indetail.attention.method import Method
from lib_indetail.attention.received import Watcher
from lib_indetail.attention.rows import Role, Row, RowCursor, Rows, row_numbers, rows_but, together
from lib_indetail.attention.sites import Grid, Site
from lib_indetail.bank.memory import Recorded
from lib_indetail.bank.recording import Recorder
from lib_indetail.errors import CannotAct

Planned = tuple[slice | list[int], Plan]
"""Rows of a call, and the plan that they follow at a site."""
KeysValuesOf = Callable[[torch.Tensor], KeysValues]
"""Of text rows [1, tokens, D], at a site."""


class AtWork:
    """`sites` are those that the method may plan for, by name; `watch` writes down which shares of attention are
    received."""

    def __init__(self, method: Method, sites: Mapping[str, Site], recorder: Recorder, watch: Watcher | None = None):
        self._method, self._sites, self._recorder, self._watch = method, dict(sites), recorder, watch
        self._sigma: float | None = None
        self._banks: dict[str, Recorded] = {}
        self._asleep = False
        self._finish()

    @contextlib.contextmanager
    def evaluation(self, sigma: float, u: float, rows: Rows | Sequence[Row | Role]) -> Iterator[Rows]:
        """See `hooks.InDetailHooks.evaluation`."""
        if sigma != self._sigma:
            self._banks = {bank: layers for bank, layers in self._banks.items()
                           if self._recorder.level(bank, sigma) == self._recorder.level(bank, self._sigma)}
            self._sigma = sigma
        self._cursor, self._u = RowCursor(rows) if isinstance(rows, Sequence) else rows, u
        if self._watch:
            self._watch.begins(sigma, list(self._sites))
        try:
            yield self._cursor
        finally:
            self._finish()

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        """What goes through the sites meanwhile is left alone: somebody's own pass within a call."""
        before, self._asleep = self._asleep, True
        try:
            yield
        finally:
            self._asleep = before

    def forget(self) -> None:
        """All tensors."""
        self._recorder.forget()
        self._sigma, self._banks = None, {}
        self._finish()

    def _finish(self) -> None:
        self._cursor: Rows | None = None
        self._u = 0.0
        self._rows: tuple[Row, ...] = ()  # of the call
        self._plans: dict[str, list[Planned]] = {}  # by site
        self._cells: Grid | None = None
        self._told: list[int] = []  # rows of the call that others read
        self._seen: dict[str, dict[Row, KeysValues]] = {}  # of the evaluation, by site
        self._owed: dict[str, None] = {}  # of the evaluation: sites with plans that have not been met

    @property
    def acting(self) -> bool:
        """Whether the call that goes through the sites now is one of ours."""
        return bool(self._plans or self._told) and not self._asleep and not self._recorder.ear.active

    @property
    def row_count(self) -> int:
        return len(self._rows)

    @property
    def unmet(self) -> list[str]:
        """Sites that the evaluation at hand has plans for and that nobody has come by."""
        return list(self._owed)

    def begins_call(self, x: torch.Tensor, timesteps: torch.Tensor, context: torch.Tensor | None,
                    cells: Grid | None = None) -> None:
        """Before a call of the model with rows `x` [rows, C, h, w]: say which follow which plan, and see to what they
        will read. `cells` are its finest tokens' rows and columns, where these are not the latent's."""
        if self._recorder.ear.active or self._asleep or self._cursor is None:
            return
        self._rows = rows = self._cursor.take(len(x), context)
        self._cells = cells or tuple(x.shape[-2:])
        self._told = [number for number, row in enumerate(rows) if row in self._method.read_rows]
        self._plans = {name: planned for name, site in self._sites.items() if (planned := self._planned(rows, site))}
        self._owed.update(dict.fromkeys(self._plans))
        for name, planned in self._plans.items():
            for bank in (bank for _, plan in planned for bank in plan.banks):
                if not self._recorder.records(bank, name):
                    raise CannotAct(f"a plan reads {bank!r} in {name}, where it is not recorded")
                if bank not in self._banks:
                    self._banks[bank] = self._recorder.bank(bank, self._sigma, x, timesteps)

    def planned(self, name: str) -> list[Planned]:
        """At a site, in this call."""
        return self._plans.get(name, [])

    def answered(self, name: str, met: BeforeProjection, of_text: KeysValuesOf | None = None,
                 lead: int = 0) -> torch.Tensor:
        """What all rows of a call have at a site, [rows, tokens, C'], before the output projection. A call that is none
        of ours keeps its own attention, and is heard if it is our image latent's. `lead` tokens of a text stand before
        those of the image."""
        if self._recorder.ear.active:
            self._recorder.ear.hear(name, *met.own_keys_values())
        if name not in self._sites or not self.acting or met.shape[0] != self.row_count:
            return met.own()
        read = self.readable(name, met, of_text)
        planned = self.planned(name)
        if not planned:
            return met.own()
        answer = torch.empty_like(met.queries)
        plain = rows_but([row for rows, _ in planned for row in row_numbers(rows)], met.shape[0])
        if plain:
            answer[plain] = met.of(plain).own()
        for rows, plan in planned:
            call = Call(self._sites[name], met.of(rows), read.of(rows), self._cells, lead)
            answer[rows] = self._evaluated(plan, call)
        return answer

    def changed(self, name: str, met: BehindModule, of_text: KeysValuesOf | None = None) -> torch.Tensor | None:
        """The same of a site that has answered: its output with the planned rows in their places, all others bit by
        bit; None where there are none."""
        read, planned = self.readable(name, met, of_text), self.planned(name)
        if not planned:
            return None
        result = met.output.clone()
        for rows, plan in planned:
            result[rows] = self._evaluated(plan, Call(self._sites[name], met.of(rows), read.of(rows), self._cells))
        return result

    def changed_together(self, name: str, met: BehindModule, plan: Plan) -> torch.Tensor:
        """Of a site that has answered one row which holds the tokens of several: they follow one plan."""
        self._owed.pop(name, None)
        read = Readable(self._banks_at(name))
        return self._evaluated(plan, Call(self._sites[name], met, read, self._cells, merged=True))

    def readable(self, name: str, met: Entry, of_text: KeysValuesOf | None = None) -> Readable:
        """What the plans at a site may read beside own keys and values; those of rows that others read are kept."""
        self._owed.pop(name, None)
        seen = self._seen.setdefault(name, {})
        for number in self._told:
            if self._rows[number] not in seen:
                keys, values = met.of([number]).own_keys_values()
                seen[self._rows[number]] = keys, values
        texts = self._method.texts
        return Readable(self._banks_at(name), seen, self._method.extra(self._sites[name]),
                        lambda text: of_text(texts[text]))

    def _planned(self, rows: Sequence[Row], site: Site) -> list[Planned]:
        """Rows with one plan are answered together."""
        groups: dict[int, tuple[list[int], Plan]] = {}
        for number, row in enumerate(rows):
            if row.role != "other" and (plan := self._method.plan(self._u, row, site)) is not None:
                groups.setdefault(id(plan), ([], plan))[0].append(number)
        return [(together(numbers), plan) for numbers, plan in groups.values()]

    def _banks_at(self, name: str) -> dict[str, KeysValues]:
        return {bank: layers[name] for bank, layers in self._banks.items() if name in layers}

    def _evaluated(self, plan: Plan, call: Call) -> torch.Tensor:
        if self._watch:
            self._watch.layer(call.site.name, plan, call)
        return evaluate(plan, call)
