"""What was measured of strips, as a section of the evidence: tables, and the authors' order line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.quality.arm import Claim, Part
from benchmarks.quality.between.about import ABOUT, BY_KIND, ORDER, PLACES, SEEN
from benchmarks.quality.between.arms import ADAPTIVE, CLAIMS, EVEN, PLACED, TABLES, Arm
from benchmarks.quality.between.measuring import MEASURED
from benchmarks.quality.between.pairs import KINDS, pair
from benchmarks.quality.bootstrap import Mean, difference, mean
from benchmarks.quality.report import AGREES, Figures, Known, by_arm, verdict

HEADING = "## Between two"
COLUMNS = {"consistency": "consistency (less is better)", "smoothness": "smoothness",
           "largest": "largest step"}
BELOW = ("consistency", "largest")
"""Of these less is better."""
SHEETS = {"shapes": "shape to shape", "patterns": "pattern to pattern", "pictures": "picture to picture"}

TITLES = {"same": "### The same noise at both ends", "own": "### Noise of its own at each end",
          "places": "### Adaptive places", "sheets": "### Sheets"}


def section(known: Known, pictures: Path) -> str:
    """Of all tables that were measured, and the sheets that there are among the `pictures`."""
    parts = [HEADING, ABOUT]
    for name, arms in TABLES.items():
        if found := of_table(known, arms):
            parts += [TITLES[name], _made(name, found), table(found), *_ordered(name, found),
                      *([BY_KIND, by_kind(known, arms)] if name != "places" else [])]
    sheets = _sheets(pictures)
    return "\n\n".join([*parts, *([TITLES["sheets"], SEEN] if sheets else []), *sheets]) + "\n"


def of_table(known: Known, arms: Mapping[str, Arm]) -> dict[str, dict[str, list[float]]]:
    """Figures by arm, of the pairs that all arms have."""
    return by_arm(known, Part("", arms, held_out=False, measured=MEASURED))


def _made(name: str, found: Mapping[str, Figures]) -> str:
    count = len(next(iter(found.values()))["smoothness"])
    about = {"places": f"{PLACES} "}.get(name, "")
    return f"{about}{count} pairs, `python -m benchmarks.quality.between --tables {name} --pairs {count}`."


def table(found: Mapping[str, Figures]) -> str:
    """Means with their intervals."""
    lines = ["| | " + " | ".join(COLUMNS.values()) + " |", "| --- |" + " --- |" * len(COLUMNS)]
    for arm, figures in found.items():
        lines.append(f"| {arm} | " + " | ".join(_shown(mean(figures[figure])) for figure in COLUMNS) + " |")
    return "\n".join(lines)


def by_kind(known: Known, arms: Mapping[str, Arm]) -> str:
    """Mean consistency and smoothness for each kind of pair."""
    found = {kind: of_table({done: figures for done, figures in known.items()
                             if done[0] == MEASURED and pair(done[2]).kind == kind}, arms) for kind in KINDS}
    found = {kind: each for kind, each in found.items() if each}
    lines = ["| consistency, smoothness | " + " | ".join(found) + " |", "| --- |" + " --- |" * len(found)]
    for arm in arms:
        means = [[mean(of[arm][figure]).value for figure in ("consistency", "smoothness")] for of in found.values()]
        lines.append(f"| {arm} | " + " | ".join("{:.4f}, {:.3f}".format(*each) for each in means) + " |")
    return "\n".join(lines)


def _ordered(name: str, found: Mapping[str, Figures]) -> list[str]:
    claims = PLACED if name == "places" else CLAIMS
    return [*([ORDER] if name == "same" else []), order(claims, found)]


def order(claims: Sequence[Claim], found: Mapping[str, Figures]) -> str:
    """A line for each claim on arms that were measured, and how many agree."""
    lines, verdicts = [], []
    for claim in claims:
        if {claim.lower, claim.higher} <= set(found):
            gained = difference(found[claim.lower][claim.figure], found[claim.higher][claim.figure])
            verdicts.append(verdict(gained))
            lines.append(f"| {_said(claim)} | {_shown(gained, '+')} | {verdicts[-1]} |")
    told = f"Lines of the authors' order that agree: {verdicts.count(AGREES)} of {len(lines)}."
    return "\n".join([told, "", "| the authors' order | difference | here |", "| --- | --- | --- |", *lines])


def _said(claim: Claim) -> str:
    if claim.figure in BELOW:
        return f"*{claim.lower}* is below *{claim.higher}* in {claim.figure}"
    return f"*{claim.higher}* is above *{claim.lower}* in {claim.figure}"


def _shown(value: Mean, sign: str = "") -> str:
    return f"{value.value:{sign}.4f} [{value.low:{sign}.4f}, {value.high:{sign}.4f}]"


def sheet_file(name: str) -> str:
    return f"between_{name}_sheet.jpg"


def _sheets(pictures: Path) -> list[str]:
    return [f"![between two, {kind}: the first pairs, none chosen]({pictures.name}/{sheet_file(name)})"
            for name, kind in SHEETS.items() if (pictures / sheet_file(name)).exists()]


def put_into(report: str, text: str) -> str:
    """The report with this section in place of the older one, or at its end; all others as they were."""
    head, *sections = report.split("\n## ")
    own = text.removeprefix("## ")
    places = [number for number, each in enumerate(sections) if each.splitlines()[0] == own.splitlines()[0]]
    place = places[0] if places else len(sections)
    sections[place:place + 1] = [own]
    return "\n## ".join([head, *sections])


assert {claim.figure for claim in (*CLAIMS, *PLACED)} <= set(COLUMNS) and {EVEN, ADAPTIVE} == set(TABLES["places"])
