"""Tables of what was measured, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.quality.bootstrap import Mean, difference, mean

COLUMNS = {"text": "shape of the text", "pattern": "pattern of the picture", "colours": "colours of the picture",
           "image": "both of the picture", "copied": "shape of the picture", "diversity": "diversity"}
Figures = Mapping[str, Sequence[float]]
"""Values over trials, by figure."""


ABOUT = """# Evidence

Made by `python -m benchmarks.quality` with the embedded model, a UNet of 10 million parameters that was trained on
drawn shapes; nothing here was measured with a real checkpoint. Every trial is a picture of a combination of shape,
pattern and colours that was never drawn in training, a prompt, and two noises, the same ones in every row of a table.
*Shape of the text*, *pattern* and *shape of the picture* are shares of results in which a small classifier sees them;
*colours* is 1 less the distance of the mean colours inside the shapes, as a share of the largest; *both* is the mean
of pattern and colours. Behind ± stands half of the 95 % interval, a bootstrap over trials. Rows in bold are not
beaten by another one in both *both of the picture* and *shape of the text*.
"""


def evidence(known: Mapping[tuple[str, str, int], Mapping[str, float]], parts: Mapping[str, Sequence[str]]) -> str:
    """The whole report: a table for each part that was measured, over the trials that all its arms have."""
    sections = [ABOUT]
    for part, names in parts.items():
        arms = by_arm(known, part, list(names))
        if arms:
            count = len(next(iter(arms.values()))["text"])
            sections.append(f"## {part[0].upper()}{part[1:]}\n\n{count} trials. "
                            f"`python -m benchmarks.quality --parts \"{part}\" --trials {count}`\n\n{table(arms)}\n")
    return "\n".join(sections)


def by_arm(known: Mapping[tuple[str, str, int], Mapping[str, float]], part: str,
           arms: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Of the trials that all arms of a part have: the same ones in the same order."""
    trials = [{trial for of, name, trial in known if (of, name) == (part, arm)} for arm in arms]
    common = sorted(set.intersection(*trials)) if trials else []
    return {arm: {figure: [known[part, arm, trial][figure] for trial in common] for figure in COLUMNS}
            for arm in arms} if common else {}


def table(arms: Mapping[str, Figures]) -> str:
    """Means with their intervals; arms on the Pareto front of image against text are in bold."""
    means = {arm: {figure: mean(values[figure]) for figure in COLUMNS} for arm, values in arms.items()}
    best = front({arm: (figures["image"].value, figures["text"].value) for arm, figures in means.items()})
    lines = ["| | " + " | ".join(COLUMNS.values()) + " |", "| --- |" + " --- |" * len(COLUMNS)]
    for arm, figures in means.items():
        name = f"**{arm}**" if arm in best else arm
        lines.append(f"| {name} | " + " | ".join(_cell(figures[figure]) for figure in COLUMNS) + " |")
    return "\n".join(lines)


def front(points: Mapping[str, tuple[float, float]]) -> set[str]:
    """Those that no other one beats in one coordinate without losing in the other."""
    def beaten(point: tuple[float, float]) -> bool:
        return any(other != point and all(a >= b for a, b in zip(other, point)) for other in points.values())

    return {name for name, point in points.items() if not beaten(point)}


def dominating(arms: Mapping[str, Figures], reference: str) -> dict[str, dict[str, Mean]]:
    """Arms whose image alignment is surely higher than the reference's while the text alignment is not surely lower:
    the differences, trial by trial."""
    found = {}
    for arm, figures in arms.items():
        gained = {figure: difference(arms[reference][figure], figures[figure]) for figure in ("image", "text")}
        if arm != reference and gained["image"].low > 0 and gained["text"].high >= 0:
            found[arm] = gained
    return found


def _cell(value: Mean) -> str:
    return f"{value.value:.3f} ± {(value.high - value.low) / 2:.3f}"
