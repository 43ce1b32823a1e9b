"""A test-only extension: a small text tower for open_clip, which the checkpoints of tests/webui/checkpoints.py name."""

from pathlib import Path

import open_clip

open_clip.add_model_config(Path(__file__).parents[1] / "indetail-tiny.json")
