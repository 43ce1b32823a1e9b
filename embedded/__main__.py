"""`python -m embedded export MODELS`, `python -m embedded measure`, `python -m embedded train`."""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m embedded")
    commands = parser.add_subparsers(dest="command", required=True)
    export = commands.add_parser("export", help="write checkpoint, yaml, tokenizer and ControlNet for a WebUI")
    export.add_argument("models", type=Path, help="the WebUI's folder of that name")
    measure = commands.add_parser("measure", help="measure what an image prompt carries over")
    measure.add_argument("--count", type=int, default=100)
    measure.add_argument("--output", type=Path, default=Path("outputs/measure/figures.json"))
    options = parser.parse_args()
    if options.command == "export":
        _export(options.models)
    else:
        _measure(options)


def _export(models: Path) -> None:
    from embedded.export import export

    for path in export(models):
        print(path)


def _measure(options: argparse.Namespace) -> None:
    from embedded.measure import judge_accuracy, measure

    for arm, figures in measure(options.output, options.count).items():
        print(f"{arm:22}", "  ".join(f"{name} {value:.3f}" for name, value in figures.items()))
    print("the judge is right:", "  ".join(f"{name} {value:.3f}" for name, value in judge_accuracy().items()))


if __name__ == "__main__":
    main()
