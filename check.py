"""Runs ruff and the tests: `python check.py`, with any arguments of pytest."""

import subprocess
import sys

from embedded.environment import ROOT, run_inside

if __name__ == "__main__":
    run_inside(__file__)
    lint = subprocess.call([sys.executable, "-m", "ruff", "check", "."], cwd=ROOT)
    tests = subprocess.call([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *sys.argv[1:]], cwd=ROOT)
    sys.exit(lint or tests)
