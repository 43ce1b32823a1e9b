"""Every text that the page shows of ours is translated, and nothing else is."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from lib_indetail.ask import words
from lib_indetail.ask.options import OPTIONS
from lib_indetail.ask.page_order import FURTHER
from lib_indetail.ask.presets import BUILT_IN
from lib_indetail.ask.request import SHOWN
from lib_indetail.ask.settings import TASKS, Settings

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
    return {text for option in OPTIONS.values() for text in (option.label, f"({option.help})")}


def page_texts() -> set[str]:
    presets = {text for name, preset in BUILT_IN.items() for text in (name, preset.why)}
    return words.every() | presets | set(SHOWN)


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
