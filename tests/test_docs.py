"""README and docs are kept true by tests: links, limits, tables, captions, and what the translations say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from illustrations.shown import FOLDER, PICTURES, made, record, signature
from lib_indetail import __version__
from lib_indetail.ask.options import OPTIONS
from lib_indetail.ask.presets import BUILT_IN
from lib_indetail.ask.setting_kinds import markdown_table
from lib_indetail.ask.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
READMES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ja.md", "README.zh-CN.md")}
DOCS = {f"docs/{path.name}": path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
PAGES = {**READMES, **DOCS, "CONTRIBUTING.md": (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")}
README, SETTINGS = READMES["README.md"], DOCS["docs/settings.md"]
EXTENSION = ("scripts", "lib_indetail", "javascript", "localizations")


def without_code(page: str) -> str:
    return re.sub(r"```.*?```", "", page, flags=re.DOTALL)


def links(page: str) -> list[str]:
    return re.findall(r"\]\((?!https?:)([^)]+)\)", without_code(page))


def anchors(page: str) -> set[str]:
    """As GitHub names headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.+)$", without_code(page), re.M)}


def shown_in(page: str) -> list[tuple[str, str]]:
    """Our pictures in a page, each with its caption: the paragraph in italics that follows."""
    found = re.findall(r"!\[[^\]]*\]\(([^)]+)\)\n\n(\*.+?\*)\n(?:\n|$)", page, re.DOTALL)
    return [(Path(path).name, caption) for path, caption in found if "pictures/" in path]


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name):
    folder = (ROOT / name).parent
    for link in links(PAGES[name]):
        path, _, anchor = link.partition("#")
        target = (folder / path).resolve() if path else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


def test_every_page_of_the_docs_is_reached_from_the_readme():
    assert {link for link in links(README) if link.startswith("docs/")} >= set(DOCS)


def test_a_newcomer_can_read_it_at_one_sitting():
    assert len(README.splitlines()) <= 150
    assert len(README.encode()) <= 8 * 1024


def test_it_has_no_placeholder():
    for page in READMES.values():
        assert not re.search(r"OWNER|TODO|example\.com|<url>", page)


def test_the_settings_table_is_the_generated_one():
    assert markdown_table(Settings).rstrip() in SETTINGS


def test_the_presets_table_says_what_each_is_for():
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", DOCS["docs/presets.md"], re.M)
    assert dict(rows[2:]) == {name: preset.why for name, preset in BUILT_IN.items()}


def test_no_preset_tells_figures_that_a_new_report_would_change():
    assert not [preset.why for preset in BUILT_IN.values() if re.search(r"\d\.\d|\d of \d|\d\d", preset.why)]


def test_it_says_what_is_on_the_settings_page():
    table = SETTINGS.split("| Settings > InDetail |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| ([^|]+) \|", table, re.M)
    assert rows[1:] == [option.label.split(",")[0] for option in OPTIONS.values()]


def test_the_version_is_the_same_everywhere():
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_it_says_how_large_a_clone_is_and_how_small_the_extension():
    files = [path for part in EXTENSION for path in (ROOT / part).rglob("*.*") if path.suffix != ".pyc"]
    mb = sum(path.stat().st_size for path in files if path.is_file()) / 1e6
    for page in READMES.values():
        assert abs(mb - float(re.search(r"(0\.\d) MB", page)[1])) < 0.1


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_was_made_by_this_version_with_these_settings(name):
    then, now = made()[PICTURES[name].file], record(PICTURES[name])
    assert (then["sha256"], then["wishes"]) == (now["sha256"], now["wishes"]), f"`python -m illustrations {name}`"
    for known, settings in zip(then["settings"], now["settings"], strict=True):
        assert {each: settings[each] for each in known} == known, f"`python -m illustrations {name}`"


def test_all_pictures_are_made_by_the_one_command():
    files = {path.name for path in FOLDER.iterdir()} - {"made.json"}
    assert files == {shown.file for shown in PICTURES.values()} | {"image_prompt.png"}
    assert set(made()) == {shown.file for shown in PICTURES.values()}


@pytest.mark.parametrize("name", PAGES)
def test_captions_name_the_version_and_the_settings_of_their_pictures(name):
    shown = {each.file: each for each in PICTURES.values()}
    captioned = shown_in(PAGES[name])
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]*pictures/[^)]+)\)", PAGES[name])
    assert [file for file, _ in captioned] == [Path(path).name for path in pictures]
    for file, caption in captioned:
        told = re.findall(r"`(InDetail \d[^`]*)`", caption.replace("\n", " "))
        assert told == [signature(wish) for wish in shown[file].wishes], file


def test_the_recording_is_small_and_moves():
    from PIL import Image
    path = FOLDER / PICTURES["page"].file
    assert path.stat().st_size < 1_000_000
    assert Image.open(path).n_frames > 8


def test_the_image_prompt_of_the_first_image_is_the_one_that_was_used():
    from PIL import Image

    from illustrations.sheets import IMAGE_PROMPT
    from illustrations.studio import drawn
    given = Image.open(FOLDER / "image_prompt.png").convert("RGB")
    assert given.tobytes() == drawn(*IMAGE_PROMPT).tobytes()


@pytest.mark.parametrize("name", [name for name in READMES if name != "README.md"])
def test_a_translation_says_the_same(name):
    def facts(page: str) -> dict[str, list[str]]:
        return {"links": links(page), "values": re.findall(r"`([^`\n]+)`", page.replace("\n", " ")),
                "headings": re.findall(r"^(#+) ", page, re.M), "steps": re.findall(r"^(\d)\. ", page, re.M),
                "rows": re.findall(r"^\|.*\|$", page, re.M) and [str(len(re.findall(r"^\|", page, re.M)))],
                "questions": re.findall(r"^(- \*\*)", page, re.M)}

    ours, theirs = facts(README), facts(READMES[name])
    languages = {"README.md", "README.ja.md", "README.zh-CN.md"}
    for each in (ours, theirs):
        each["links"] = sorted(link for link in each["links"] if link not in languages)
        each["values"] = sorted(each["values"])
    assert theirs == ours


def test_the_core_imports_no_host():
    core = [path for path in (ROOT / "lib_indetail").rglob("*.py") if "hosts" not in path.parts]
    assert {path.parent.name for path in core} >= {"run", "attention", "bank", "methods", "pictures"}
    for path in core:
        assert not re.search(r"^\s*(from|import) (modules|gradio)\b", path.read_text(encoding="utf-8"), re.M), path
