"""What can be compared: an arm is one way to make pictures, a part of the report has several."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lib_indetail.ask.settings import Settings
from lib_indetail.methods.detail import TERM, Detail
from lib_indetail.run.prepared import Prepared

AUTHORS = Settings(nodes=50, inversion="DDIM", levels="all")
"""Where ours differ from theirs; all other defaults are the paper's."""
ALL = {"blocks": "all"}
WHOLE = {"stratified_until": 1.0}
MOST_DETAIL = {"blocks": "all", "start": 0.1, "stratified_until": 1.0, "colour_match": 1.0}
"""What the searches found before there were few levels, and Detail: the preset Most detail up to 0.7."""
RENOISED = {**ALL, "inversion": "re-noise", "adain": 0.0, "guidance": 0.0, "inversion_text": "same as the prompt"}
"""As reference_only has its picture."""
FEW = {"steps": 10}
USUAL = {"steps": 20, "sampler": "dpmpp_2m", "scheduler": "karras"}
"""What people use."""


@dataclass(frozen=True)
class Arm:
    """`settings` of the task, over the authors'; None is the text alone. A `rule` of `peers.RULES` stands in the place
    of the settings' plans; `anew` re-noises the picture at every step, as reference_only does. `prompt` is for another
    shape than the picture's, or "none". With `unwanted` another trial's picture is read by the negative side. Of
    few levels, one pass goes over so many others `between` two. `term` is what of the patch term differs from what was
    found best, by the names of `methods.patches.Term`, and of its `start` and `until`. `distilled` is by attention
    distillation, with no settings but the picture."""

    settings: Mapping[str, Any] | None = field(default_factory=dict)
    task: str = "cross-prompt"
    rule: str | None = None
    anew: bool = False
    scale: float = 5.0
    steps: int = 20
    sampler: str = "ddim"
    scheduler: str = "plain"
    prompt: str = "another shape"
    unwanted: bool = False
    between: int = 0
    term: Mapping[str, float] = field(default_factory=dict)
    distilled: bool = False

    @property
    def key(self) -> str:
        """All that it differs in from the first arm there is: arms of one key are one, whatever they are called."""
        given = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        if self.settings is not None:
            given["settings"] = _differing(vars(self.resolved), vars(AUTHORS))
            given["task"] = ""
        return json.dumps(_differing(given, {**vars(Arm()), "settings": {}}), sort_keys=True)

    @property
    def resolved(self) -> Settings:
        theirs = {name: getattr(AUTHORS, name) for name in ("nodes", "inversion", "levels")}
        return Settings.of({**theirs, **self.settings}, self.task)

    def detail(self, prepared: Sequence[Prepared]) -> Detail:
        """The patch term of this arm."""
        votes = {name: value for name, value in self.term.items() if name not in ("start", "until")}
        window = {name: value for name, value in self.term.items() if name not in votes}
        return Detail(prepared, dataclasses.replace(TERM, **votes), **window)


def _differing(values: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in usual and value != usual[name]}


@dataclass(frozen=True)
class Claim:
    """Of two arms the second is higher in a figure (or, `flat`, no lower)."""

    figure: str
    lower: str
    higher: str
    flat: bool = False


@dataclass(frozen=True)
class Part:
    """`measured` is "pictures" (see `metrics`), "shares" (of attention) or "inversions". `about` says how it was made;
    `most` trials are enough. Of what may be lost against the reference, `limits` give by figure the lowest mean and the
    lowest lower end of its interval."""

    about: str
    arms: Mapping[str, Arm]
    claims: tuple[Claim, ...] = ()
    held_out: bool = True
    measured: str = "pictures"
    most: int | None = None
    reference: str | None = None
    limits: Mapping[str, tuple[float, float]] | None = None
