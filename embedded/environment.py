"""Makes `.venv` with all that the demo and the tests need, then runs the caller in it. Standard library only."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "embedded" / "requirements.txt"
TORCH = "torch==2.13.0"
WITHOUT_DEPENDENCIES = ("stable-diffusion-sdkit==2.1.5", "k-diffusion==0.1.1.post1")


def run_inside(script: str) -> None:
    """Return if this already is `.venv`'s Python; else make it ready, run the script in it, and exit as it does."""
    if Path(sys.prefix).resolve() == VENV.resolve():
        return
    if sys.version_info < (3, 10):  # noqa: UP036
        sys.exit("InDetail needs Python 3.10 or newer; this is " + sys.version.split()[0] + ".")
    _make_ready()
    try:
        sys.exit(subprocess.call([_python(), script, *sys.argv[1:]]))
    except KeyboardInterrupt:
        sys.exit(130)


def _python() -> str:
    return str(VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def _make_ready() -> None:
    wanted = hashlib.sha256((TORCH + repr(WITHOUT_DEPENDENCIES) + sys.version).encode()
                            + REQUIREMENTS.read_bytes()).hexdigest()
    stamp = VENV / "ready"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("Making .venv and installing into it; this happens once.", flush=True)
    venv.create(VENV, with_pip=True, clear=True)
    _install(TORCH)
    _install("-r", str(REQUIREMENTS))
    _install("--no-deps", *WITHOUT_DEPENDENCIES)
    stamp.write_text(wanted)


def _install(*what: str) -> None:
    print("  installing " + " ".join(Path(w).name if os.sep in w else w for w in what), flush=True)
    result = subprocess.run([_python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what],
                            stderr=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit(f"Installing {' '.join(what)} failed:\n{result.stderr[-2000:]}")
