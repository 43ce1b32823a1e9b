"""Every text that the page shows of ours is translated, and nothing else is."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from pathlib import Path

import pytest

from lib_indetail.presets import BUILT_IN
from lib_indetail.request import FURTHER, SHOWN
from lib_indetail.settings import TASKS, Settings

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = {path.stem: json.loads(path.read_text(encoding="utf-8"))
             for path in (ROOT / "localizations").glob("*.json")}
METAS = [setting.metadata for setting in dataclasses.fields(Settings)]
FURTHER_AXES = [f"{label} of image prompt {number}" for number in FURTHER for label in ("Weight", "Strength", "Lambda")]
AXES = ["[InDetail] " + label for label in (*(meta["label"] for meta in METAS), *FURTHER_AXES, "Task", "Preset",
                                           "Image prompt")]
WRITING = {"zh_CN": "[一-鿿]", "ja_JP": "[぀-ヿ一-鿿]"}


def table_texts() -> set[str]:
    choices = {choice for meta in METAS for choice in meta.get("choices", ())}
    return {meta[kind] for meta in METAS for kind in ("label", "help")} | choices | set(TASKS) | set(AXES)


def option_texts() -> set[str]:
    """Labels and explanations on the Settings page; the host puts the latter in parentheses."""
    tree = ast.parse((ROOT / "lib_indetail" / "webui" / "options.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "add"]
    assert len(calls) == 9
    return {text for call in calls for text in (call.args[1].value, f"({call.args[2].value})")}


def page_texts() -> set[str]:
    """Labels, buttons and whole sentences of the accordion and of the script."""
    pages = "".join((ROOT / "lib_indetail" / "webui" / f"{name}.py").read_text()
                    for name in ("page", "controls", "pictures", "presets", "many"))
    labels = re.findall(r'(?:label=|tooltip=|Button\(|Accordion\(|_LABEL = |_HELP = )"([^"]+)"', pages)
    assert len(labels) == 27
    return (set(labels) - {"InDetail", "🎯", "🔄"} | shown_sentences() | mask_texts() | numbered_texts(pages)
            | preset_texts() | script_texts())


def constant(name: str, module: str):
    """A literal at the top of one of the page's modules."""
    tree = ast.parse((ROOT / "lib_indetail" / "webui" / f"{module}.py").read_text())
    value, = (node.value for node in tree.body if isinstance(node, ast.Assign)
              and name in [getattr(target, "id", "") for target in node.targets])
    return ast.literal_eval(value)


def preset_texts() -> set[str]:
    shown = {text for name, preset in BUILT_IN.items() for text in (name, preset.why)}
    return shown | set(constant("HELP", "presets").values()) | set(constant("BUTTONS", "presets"))


def script_texts() -> set[str]:
    return {"InDetail folder", constant("HELP", "many"), *constant("MODES", "many"), *SHOWN}


def mask_texts() -> set[str]:
    texts = {text for of_one in constant("MASKS", "pictures").values() for text in of_one}
    assert len(texts) == 6
    return texts


def numbered_texts(pages: str) -> set[str]:
    texts = re.findall(r'"([A-Z][^"]+) \{number\}"', pages)
    assert len(texts) == 2
    return {f"{text} {number}" for text in texts for number in FURTHER}


def shown_sentences() -> set[str]:
    lines = "".join((ROOT / "lib_indetail" / "webui" / f"{name}.py").read_text() for name in ("status", "kept"))
    from_status = re.findall(r'^[A-Z_]+ = "([^"]+\.)"$', lines, re.M)
    from_controls = re.findall(r'^TASK_HELP = "([^"]+)"$', (ROOT / "lib_indetail/webui/controls.py").read_text(), re.M)
    assert (len(from_status), len(from_controls)) == (4, 1)
    return {*from_status, *from_controls}


def test_there_is_chinese_and_japanese():
    assert set(LANGUAGES) == set(WRITING)


@pytest.mark.parametrize("language", WRITING)
def test_every_text_is_there_and_nothing_else(language):
    assert set(LANGUAGES[language]) == table_texts() | option_texts() | page_texts()


@pytest.mark.parametrize("language", WRITING)
def test_every_text_is_translated(language):
    for english, translated in LANGUAGES[language].items():
        assert re.search(WRITING[language], translated), english
        assert translated == translated.strip()


@pytest.mark.parametrize("language", WRITING)
def test_translations_do_not_run_together(language):
    """Two controls beside each other must not read the same."""
    labels = [LANGUAGES[language][meta["label"]] for meta in METAS]
    assert len(set(labels)) == len(labels)
    for meta in METAS:
        choices = [LANGUAGES[language][choice] for choice in meta.get("choices", ())]
        assert len(set(choices)) == len(choices)
