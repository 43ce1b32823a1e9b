"""The README is kept true by tests."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lib_indetail import __version__
from lib_indetail.settings import Settings
from lib_indetail.table import markdown_table

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_settings_table_is_the_generated_one():
    assert markdown_table(Settings) in README


@pytest.mark.parametrize("name", ["README.md", "docs/measured.md", "docs/evidence.md"])
def test_every_picture_and_file_it_links_to_is_there(name):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / name).read_text(encoding="utf-8"))
    assert links and all((ROOT / name).parent.joinpath(link).exists() for link in links), links


def test_it_says_what_is_on_the_settings_page():
    options = (ROOT / "lib_indetail" / "webui" / "options.py").read_text(encoding="utf-8")
    labels = re.findall(r'add\("indetail_\w+", "([^",]+)', options)
    table = README.split("| Settings > InDetail |")[1].split("\n\n")[0]
    assert len(labels) == 9
    assert all(any(row.startswith(f"| {label[:24]}") for row in table.splitlines()) for label in labels)


def test_the_index_entry_is_what_the_list_of_extensions_takes():
    entry = json.loads((ROOT / "docs" / "sd-webui-indetail.json").read_text())
    assert set(entry) == {"name", "url", "description", "tags"}
    assert re.fullmatch(r"https://[^ ]+\.git", entry["url"])
    assert set(entry["tags"]) <= {"script", "tab", "models", "UI related", "manipulations", "science", "extras"}


def test_it_names_both_commands():
    assert "python demo.py" in README and "python check.py" in README


def test_the_version_is_the_same_everywhere():
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_core_imports_no_host():
    for path in sorted((ROOT / "lib_indetail").glob("*.py")):
        assert not re.search(r"^\s*(from|import) modules\b", path.read_text(), re.M), path
