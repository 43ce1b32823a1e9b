"""The README is kept true by tests."""

from __future__ import annotations

import re
from pathlib import Path

from lib_indetail import __version__
from lib_indetail.settings import markdown_table

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_settings_table_is_the_generated_one():
    assert markdown_table() in README


def test_every_picture_and_file_it_links_to_is_there():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links and all((ROOT / link).exists() for link in links), links


def test_it_names_both_commands():
    assert "python demo.py" in README and "python check.py" in README


def test_the_version_is_the_same_everywhere():
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_core_imports_no_host():
    for path in sorted((ROOT / "lib_indetail").glob("*.py")):
        assert not re.search(r"^\s*(from|import) modules\b", path.read_text(), re.M), path
