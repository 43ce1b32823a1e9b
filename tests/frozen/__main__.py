"""`python -m tests.frozen COMMIT`: is everything as it was there?

Every request is made by API in the WebUI at SD_WEBUI_DIR, beside ControlNet and the embedded model: first with a
worktree of the commit, then with the checkout. Without a WebUI the latents of the embedded model are compared.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.frozen import latents
from tests.frozen.comparing import differences, labels, moved_defaults
from tests.frozen.hosted import Answers, answered, checkpoints
from tests.frozen.wishes import WISHES
from tests.webui.host import ROOT, find_controlnet, find_webui, own_copy


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.frozen", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("names", nargs="*", metavar="REQUEST", help="some of them alone")
    parser.add_argument("--latents", action="store_true", help="the embedded model's latents, without a WebUI")
    parser.add_argument("--close", action="store_true", help="but for rounding: pixels by one level in one of a "
                        "thousand, latents by 1e-5 of the largest")
    parser.add_argument("--kept", type=Path, help="a file for the older commit's answers, made once and used again")
    options = parser.parse_args()
    with TemporaryDirectory() as folder, worktree(options.commit, Path(folder)) as older:
        if options.latents or find_webui() is None:
            sys.exit(latents.compared(older, ROOT, options.close))
        if find_controlnet() is None:
            sys.exit("There is no ControlNet at SD_WEBUI_CONTROLNET or in the WebUI's extensions.")
        wishes = {name: WISHES[name] for name in options.names or WISHES}
        wishes = {each.after: WISHES[each.after] for each in wishes.values() if each.after} | wishes
        sys.exit(in_hosts(older, Path(folder), wishes, options.kept, options.close))


class worktree:
    """A commit's files in a folder of their own."""

    def __init__(self, commit: str, folder: Path):
        self._commit, self._path = commit, folder / "older"

    def __enter__(self) -> Path:
        self._git("add", "--detach", str(self._path), self._commit)
        return self._path

    def __exit__(self, *_) -> None:
        self._git("remove", "--force", str(self._path))

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", "worktree", *arguments], cwd=ROOT, check=True, capture_output=True)


def in_hosts(older: Path, folder: Path, wishes: Mapping, kept: Path | None, close: bool) -> int:
    """How many requests are not as they were."""
    models = checkpoints(folder)
    if kept and kept.is_file():
        before = Answers.read(kept)
    else:
        before = answered(older, folder / "before", wishes, models)
        if kept:
            before.write(kept)
    after = answered(own_copy(folder / "copy"), folder / "after", wishes, models, before)
    unknown, moved = labels(after.known) - labels(before.known), moved_defaults(before.known, after.known)
    changed = 0
    for name in wishes:
        found = differences(before.by_name[name], after.by_name[name], unknown, moved, close)
        changed += bool(found)
        print("\n  ".join([f"{'CHANGED' if found else 'same'}: {name}", *found]))
    print(f"{len(wishes) - changed} of {len(wishes)} requests are as they were, "
          f"{sum(len(each.pictures) for each in before.by_name.values())} pictures.")
    return changed


if __name__ == "__main__":
    main()
