"""InDetail installs nothing. This only says so when it cannot run here."""

from __future__ import annotations

import sys
from pathlib import Path


def complaint() -> str | None:
    """One line if the Python or the WebUI is too old, else None. Reads files; imports no torch and no host."""
    if sys.version_info < (3, 10):  # noqa: UP036
        return "InDetail needs Python 3.10 or newer."
    host = Path.cwd() / "modules" / "scripts.py"
    if host.is_file() and "process_before_every_sampling" not in host.read_text(encoding="utf-8"):
        return "InDetail needs version 1.10 of the WebUI or newer."
    return None


if __name__ == "__main__":
    message = complaint()
    if message:
        print(message)
