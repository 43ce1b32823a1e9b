"""`python -m illustrations`: makes all pictures of README and docs, or those that are named.

They are made in a real WebUI with ControlNet, named by SD_WEBUI_DIR and SD_WEBUI_CONTROLNET, and in headless Chromium,
in some minutes. `measured` are the plots and sheets of docs/evidence.md and benchmarks/results.md with all that is
measured for them: that takes hours, and is not done unless it is named.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from illustrations import sheets
from illustrations.page import page
from illustrations.shown import FOLDER, MADE, PICTURES, made, record
from illustrations.studio import studio

MAKERS = {**{name: getattr(sheets, name) for name in PICTURES if name != "page"}, "page": page}
MEASURED = (("benchmarks.quality",), ("benchmarks.quality", "--report", "docs/evidence.md", "--sheets"),
            ("benchmarks.scale",))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m illustrations", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join([*PICTURES, 'measured'])}")
    names = parser.parse_args().names or list(PICTURES)
    if unknown := [name for name in names if name not in [*PICTURES, "measured"]]:
        parser.error(f"There is no picture {unknown[0]}.")
    if drawn := [name for name in names if name != "measured"]:
        _make(drawn)
    if "measured" in names:
        for command in MEASURED:
            subprocess.run([sys.executable, "-m", *command], check=True)


def _make(names: list[str]) -> None:
    """Each with its line in `made.json`, as soon as it is there."""
    FOLDER.mkdir(exist_ok=True)
    print(sheets.image_prompt())
    with studio() as opened:
        for name in names:
            shown = PICTURES[name]
            MAKERS[name](opened, FOLDER / shown.file)
            lines = {**made(), shown.file: record(shown)}
            MADE.write_text(json.dumps(dict(sorted(lines.items())), indent=1) + "\n", encoding="utf-8")
            print(FOLDER / shown.file, flush=True)


if __name__ == "__main__":
    main()
