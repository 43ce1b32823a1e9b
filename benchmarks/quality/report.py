"""What was measured, as Markdown: tables, and what they say of the paper's claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.quality.arm import AUTHORS, Claim, Part
from benchmarks.quality.arms import PARTS
from benchmarks.quality.bootstrap import Mean, difference, mean
from benchmarks.quality.measuring import Done
from benchmarks.quality.trials import HELD_OUT, NOISES

COLUMNS = {"text": "shape of the text", "pattern": "pattern of the image prompt",
           "colours": "colours of the image prompt", "image": "both of the image prompt",
           "copied": "shape of the image prompt", "diversity": "diversity", "novelty": "novelty"}
NAMES = {**COLUMNS, "mean": "own share above the image prompt's", "error": "error of the latent", "rows": "UNet rows"}
AGREES, NOT_DECIDED, CONTRADICTED = "agrees", "**not decided**", "**contradicted**"
VERDICTS = tuple(f"- {each}: " for each in (AGREES, NOT_DECIDED, CONTRADICTED))
Known = Mapping[Done, Mapping[str, float]]
Figures = Mapping[str, Sequence[float]]
"""Values over trials, by figure."""

ABOUT = f"""# Evidence

Made by `python -m benchmarks.quality` with the embedded model: a UNet of 10 million parameters that was trained for two
hours on drawn shapes. **Nothing here was measured with a real checkpoint.** The model knows twelve patterns and nothing
of photographs, faces or materials; it shows the method's mechanism and which settings carry more, not how good an
image of yours will be. `python -m benchmarks.quality.checkpoint` measures a checkpoint of yours in the WebUI.

Each section names the command that measures it; `python -m benchmarks.quality --report docs/evidence.md` then writes it
in the place of the older one, with its plot, and with `--sheets` draws the contact sheets too.

A trial is an image prompt of a combination of shape, pattern and colours that was never drawn in training, a prompt for
another shape, and {NOISES} noises, the same in every row of a table; 50 trials are {50 * NOISES} results a row. The
inversion has {AUTHORS.nodes} nodes, as the authors', unless a row says otherwise. *Shape of the text*, *pattern* and
*shape of the image prompt* are shares of results in which a small classifier sees them; *colours* is 1 less the
distance of the mean colours inside the shapes, as a share of the largest; *both* is the mean of pattern and colours;
*diversity* is the mean difference between two noises; *novelty* is the share of a result's patches whose nearest patch
of the image prompt lies elsewhere than at their own place. Behind ± stands half of the 95 % interval, a bootstrap over
trials. **Bold** rows are beaten by no other one in both *both of the image prompt* and *shape of the text* (the Pareto
front). Under a table stands what it says of the paper's claims: the mean difference between two rows, trial by trial,
with its 95 % interval.
"""


def evidence(known: Known, parts: Mapping[str, Part] = PARTS, pictures: Path = Path("docs/evidence"),
             before: str = "") -> str:
    """The whole report: a section for each part that was measured, over the trials that all its arms have; of other
    parts the section that the report had `before`, and at the end its sections that are no part's. Plots and sheets
    stand where there are files of them."""
    sections = _sections(before)
    for name, part in parts.items():
        if arms := by_arm(known, part):
            sections[_heading(name)] = "\n\n".join(
                [_about(name, part, arms), table(arms, part.measured), *_shown(name, pictures),
                 *claims(part.claims, arms), *_dominating(part, arms), *_holding(part, arms)])
    ordered = [heading for heading in map(_heading, parts) if heading in sections]
    ordered += [heading for heading in sections if heading not in ordered]
    texts = [f"{heading}\n\n{sections[heading]}" for heading in ordered]
    return "\n\n".join([ABOUT, *_summary("\n".join(texts)), *texts]).rstrip() + "\n"


def _heading(part: str) -> str:
    return f"## {part[0].upper()}{part[1:]}"


def _sections(report: str) -> dict[str, str]:
    """Of an earlier report, by heading."""
    found = (section.partition("\n") for section in report.split("\n## ")[1:])
    return {f"## {heading}": text.strip() for heading, _, text in found}


def _summary(text: str) -> list[str]:
    said = [line for line in text.splitlines() if line.startswith(VERDICTS)]
    against = [line for line in said if not line.startswith(VERDICTS[0])]
    if not said:
        return []
    return [f"Of {len(said)} claims of the paper this model agrees with {len(said) - len(against)}. The others:"
            if against else f"Of {len(said)} claims of the paper this model agrees with all.",
            *(["\n".join(against)] if against else [])]


def _about(name: str, part: Part, arms: Mapping[str, Figures]) -> str:
    count = len(next(iter(next(iter(arms.values())).values())))
    return f"{part.about} {count} trials, `python -m benchmarks.quality --parts \"{name}\" --trials {count}`."


def _shown(name: str, pictures: Path) -> list[str]:
    kinds = {"plot": "as a plot", "sheet": "the first trials, first noise, none chosen"}
    return [f"![{name}: {text}]({pictures.name}/{file_name(name, kind)})" for kind, text in kinds.items()
            if (pictures / file_name(name, kind)).exists()]


def file_name(part: str, kind: str) -> str:
    return f"{part.replace(',', '').replace(' ', '_').lower()}_{kind}.{'png' if kind == 'plot' else 'jpg'}"


def by_arm(known: Known, part: Part) -> dict[str, dict[str, list[float]]]:
    """Of the trials that all arms of a part have: the same ones in the same order."""
    of = {name: {trial: figures for (what, key, trial), figures in known.items()
                 if (what, key) == (part.measured, arm.key) and (trial >= HELD_OUT) == part.held_out}
          for name, arm in part.arms.items()}
    common = sorted(set.intersection(*map(set, of.values())))
    return {name: {figure: [trials[number][figure] for number in common] for figure in trials[common[0]]}
            for name, trials in of.items()} if common else {}


def table(arms: Mapping[str, Figures], measured: str = "pictures") -> str:
    """Means with their intervals; of pictures, arms on the Pareto front of image against text are in bold."""
    means = {arm: {figure: mean(values) for figure, values in figures.items()} for arm, figures in arms.items()}
    columns, best = {each: NAMES.get(each, each) for each in next(iter(means.values()))}, set()
    if measured == "pictures":
        columns = {each: name for each, name in COLUMNS.items() if all(each in figures for figures in means.values())}
        best = front({arm: (figures["image"].value, figures["text"].value) for arm, figures in means.items()})
    lines = ["| | " + " | ".join(columns.values()) + " |", "| --- |" + " --- |" * len(columns)]
    for arm, figures in means.items():
        name = f"**{arm}**" if arm in best else arm
        lines.append(f"| {name} | " + " | ".join(_cell(figures[figure]) for figure in columns) + " |")
    return "\n".join(lines)


def front(points: Mapping[str, tuple[float, float]]) -> set[str]:
    """Those that no other one beats in one coordinate without losing in the other."""
    def beaten(point: tuple[float, float]) -> bool:
        return any(other != point and all(a >= b for a, b in zip(other, point, strict=True))
                   for other in points.values())

    return {name for name, point in points.items() if not beaten(point)}


def claims(given: Sequence[Claim], arms: Mapping[str, Figures]) -> list[str]:
    """A list of what the paper claims, each with the difference that was found."""
    lines = []
    for claim in given:
        gained = difference(arms[claim.lower][claim.figure], arms[claim.higher][claim.figure])
        relation = "is no lower than" if claim.flat else "is above"
        lines.append(f"- {verdict(gained, claim.flat)}: *{claim.higher}* {relation} *{claim.lower}* in "
                     f"{NAMES[claim.figure]}: {_signed(gained)}")
    return ["\n".join(lines)] if lines else []


def verdict(gained: Mean, flat: bool = False) -> str:
    if gained.high < 0:
        return CONTRADICTED
    if gained.low > 0 or (flat and gained.value >= 0):
        return AGREES
    return NOT_DECIDED


def dominating(arms: Mapping[str, Figures], reference: str) -> dict[str, dict[str, Mean]]:
    """Arms whose image alignment is surely higher than the reference's while the text alignment is no lower: the
    differences, trial by trial."""
    found = {}
    for arm, figures in arms.items():
        gained = {figure: difference(arms[reference][figure], figures[figure]) for figure in ("image", "text")}
        if arm != reference and gained["image"].low > 0 and gained["text"].value >= 0:
            found[arm] = gained
    return found


def _dominating(part: Part, arms: Mapping[str, Figures]) -> list[str]:
    if part.reference is None:
        return []
    found = dominating(arms, part.reference)
    if not found:
        return [f"None is surely above *{part.reference}* in the image prompt's alignment without losing text."]
    lines = [f"Surely above *{part.reference}* in the image prompt's alignment, and no lower in the text's:", "",
             "| | image prompt | text |", "| --- | --- | --- |"]
    ordered = sorted(found.items(), key=lambda item: -item[1]["image"].value)
    return ["\n".join(lines + [f"| {arm} | {_signed(gained['image'])} | {_signed(gained['text'])} |"
                               for arm, gained in ordered])]


ROUNDED = 1e-9


def holds(limits: Mapping[str, tuple[float, float]], lost: Mapping[str, Mean]) -> bool:
    """Whether the differences stay within the limits of their means and of their intervals' lower ends."""
    return all(lost[figure].value >= mean - ROUNDED and lost[figure].low >= low - ROUNDED
               for figure, (mean, low) in limits.items())


def _holding(part: Part, arms: Mapping[str, Figures]) -> list[str]:
    if part.limits is None:
        return []
    said = ", ".join(f"{mean:g} and {low:g} ({NAMES[figure]})" for figure, (mean, low) in part.limits.items())
    lines = [f"Differences from *{part.reference}*, trial by trial. A row holds whose means and lower ends are at "
             f"least {said}.", "", "| | " + " | ".join(NAMES[figure] for figure in part.limits) + " | holds |",
             "| --- |" + " --- |" * (len(part.limits) + 1)]
    for arm, figures in arms.items():
        if arm != part.reference:
            lost = {figure: difference(arms[part.reference][figure], figures[figure]) for figure in part.limits}
            lines.append(f"| {arm} | " + " | ".join(_signed(each) for each in lost.values())
                         + f" | {'yes' if holds(part.limits, lost) else 'no'} |")
    return ["\n".join(lines)]


def _cell(value: Mean) -> str:
    return f"{value.value:.3g}" if value.value >= 10 else f"{value.value:.3f} ± {(value.high - value.low) / 2:.3f}"


def _signed(value: Mean) -> str:
    return f"{value.value:+.3f} [{value.low:+.3f}, {value.high:+.3f}]"
