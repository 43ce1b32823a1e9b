"""The official PAID code's cases in `tests/data/units`, or a folder of them that INDETAIL_GOLDEN names."""

from __future__ import annotations

import json
import os
from pathlib import Path

from safetensors import safe_open

from tests.official import DATA, Case, load_case

FILE = DATA / "units" / "interpolation_cases.safetensors"
GOLDEN = os.environ.get("INDETAIL_GOLDEN")


def _read() -> tuple[dict[str, Case], dict]:
    """Tensors that cases have in common are stored once."""
    with safe_open(FILE, "pt") as file:
        about = file.metadata()
        stored = {key: file.get_tensor(key) for key in file.keys()}
    return {name: Case({key: stored[each] for key, each in case["tensors"].items()}, case["meta"])
            for name, case in json.loads(about["cases"]).items()}, json.loads(about["selection"])


CASES, SELECTION = _read()
SLERP = {name: value.float() for name, value in CASES.pop("slerp").tensors.items()}


def golden_files() -> list[Path]:
    """Whole cases outside the project."""
    if GOLDEN is None:
        return []
    kinds = "case_", "seq_", "batch_", "denoise_", "dynamic_", "ip_", "sdxl_"
    return sorted(path for path in Path(GOLDEN).glob("*.safetensors") if path.name.startswith(kinds))


def golden_case(path: Path) -> Case:
    return load_case(path)
