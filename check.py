"""Runs ruff and the tests: `python check.py`, with any arguments of pytest.

`python check.py --webui` runs the tests that drive a real WebUI, found at SD_WEBUI_DIR or ~/stable-diffusion-webui.
"""

import subprocess
import sys

from embedded.environment import ROOT, run_inside

WEBUI = "tests/webui"


def run(*command: str) -> int:
    return subprocess.call([sys.executable, "-m", *command], cwd=ROOT)


if __name__ == "__main__":
    run_inside(__file__)
    arguments = sys.argv[1:]
    pytest = ("pytest", "-p", "no:cacheprovider")
    if "--webui" in arguments:
        arguments.remove("--webui")
        failed = run("pip", "install", "--quiet", "--disable-pip-version-check", "-r", f"{WEBUI}/requirements.txt")
        sys.exit(failed or run(*pytest, *(arguments or [WEBUI])))
    lint = run("ruff", "check", ".")
    sys.exit(run(*pytest, f"--ignore={WEBUI}", *arguments) or lint)
