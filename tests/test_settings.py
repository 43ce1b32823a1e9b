"""The table of settings: defaults, presets, and one clear sentence for every bad value."""

from __future__ import annotations

import dataclasses
import reprlib

import pytest

from lib_indetail.ask.reading import QUALITY_SUFFIX
from lib_indetail.ask.setting_kinds import markdown_table
from lib_indetail.ask.settings import TASKS, Settings, preset
from lib_indetail.errors import BadSetting

FIELDS = {setting.name: setting for setting in dataclasses.fields(Settings)}
NUMBERS = [name for name, setting in FIELDS.items() if "low" in setting.metadata]
CHOICES = [name for name, setting in FIELDS.items() if "choices" in setting.metadata]
NOT_NUMBERS = [float("nan"), float("inf"), -float("inf"), True, False, "half", "nan", "0,5", "",
               "inf", None, [0.5], 1j,
               10**400]


def refusal(**values) -> str:
    with pytest.raises(BadSetting) as refused:
        Settings(**values)
    return str(refused.value)


def test_defaults_are_the_papers_but_for_the_inversion():
    assert dataclasses.asdict(Settings()).items() >= dict(
        strength=1.0, lambda_image=0.5, stratified_until=0.2, guidance=1.0, start=0.0, end=1.0, replacement_until=0.0,
        adain=1.0, inversion="one pass", nodes=20, blocks="decoder", inversion_text="same as the prompt", own_text="",
        suffix="", resize="crop", passes="both", control_uncond_from=0.0, weight=1.0,
        strength_schedule="constant", lambda_schedule="constant", hires_strength="", hires_lambda="",
        block_weights="even", inversion_offset=0.0, side="positive", colour_match=0.0, colour_until=0.3,
        spread="all on every image", inpaint_reference="whole picture", levels="3",
        detail=0.0, detail_schedule="constant").items()


@pytest.mark.parametrize(("task", "changed"), [
    (None, {}), ("image variation", {}), ("structure-guided", {"stratified_until": 0.5, "control_uncond_from": 0.2}),
    ("cross-prompt", {"inversion_text": "empty"})])
def test_presets_change_what_the_paper_changes(task, changed):
    assert preset(task) == changed
    assert Settings.of({}, task) == Settings(**changed)


def test_a_named_value_goes_before_the_preset():
    assert Settings.of({"stratified_until": 0.3}, "structure-guided").stratified_until == 0.3


def test_an_unknown_task_is_refused_with_the_tasks():
    with pytest.raises(BadSetting, match="image variation, structure-guided, cross-prompt, not 'portrait'"):
        preset("portrait")
    assert len(TASKS) == 3


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_may_come_as_text(name):
    low = FIELDS[name].metadata["low"]
    value = FIELDS[name].default or low
    assert getattr(Settings(**{name: f" {value} "}), name) == value


def test_a_number_may_stand_where_a_text_can_be_one():
    assert Settings(hires_strength=0.5) == Settings(hires_strength="0.5")
    assert refusal(hires_strength=True).startswith("Hires strength must be a text")


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_what_is_no_number_is_refused_with_field_value_and_range(name, value):
    meta = FIELDS[name].metadata
    message = refusal(**{name: value})
    assert message.startswith(f"{meta['label']} must be ") and message.endswith(f", not {reprlib.repr(value)}.")
    assert f"from {meta['low']} to {meta['high']}" in message


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_beyond_their_range_are_refused_and_its_ends_are_not(name):
    low, high = (FIELDS[name].metadata[key] for key in ("low", "high"))
    for value in (low - 0.001, high + 0.001, low - 1, high + 1):
        assert f"from {low} to {high}, not {value!r}." in refusal(**{name: value})
    neighbours = {"start": {"strength": 0}, "end": {"strength": 0}}.get(name, {})
    assert [getattr(Settings(**{name: value}, **neighbours), name) for value in (low, high)] == [low, high]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_refusal_is_one_sentence(name):
    message = refusal(**{name: "much"})
    assert message[0].isupper() and message.count(". ") == 0 and "\n" not in message


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("value", ["", "Decoder", "ddim", None, 0, True, float("nan"), ["DDIM"]])
def test_what_is_no_choice_is_refused_with_the_choices(name, value):
    meta = FIELDS[name].metadata
    assert refusal(**{name: value}) == f"{meta['label']} must be one of {', '.join(meta['choices'])}, not {value!r}."


@pytest.mark.parametrize("name", ["own_text", "suffix"])
@pytest.mark.parametrize("value", [None, 3, ["a"], b"a"])
def test_what_is_no_text_is_refused(name, value):
    assert refusal(**{name: value}) == f"{FIELDS[name].metadata['label']} must be a text, not {value!r}."


def test_nodes_are_whole_numbers():
    assert Settings(nodes=20.0).nodes == 20 and isinstance(Settings(nodes=20.0).nodes, int)
    assert refusal(nodes=20.5) == "Inversion nodes must be a whole number from 1 to 500, not 20.5."


def test_whole_numbers_become_floats_where_floats_are_meant():
    assert isinstance(Settings(strength=1).strength, float)


@pytest.mark.parametrize(("start", "end"), [(0.5, 0.5), (0.6, 0.5), (1.0, 1.0), (0.0, 0.0)])
def test_a_start_that_is_not_before_the_end_is_refused_unless_nothing_acts(start, end):
    assert refusal(start=start, end=end) == f"Start must be less than End, but they are {start} and {end}."
    assert not Settings(start=start, end=end, strength=0).acts


@pytest.mark.parametrize(("name", "hint"), [("lambda_imge", "you may mean lambda_image."), ("strenght", "strength"),
                                            ("zzz", "docs/settings.md has them all.")])
def test_an_unknown_name_is_refused_with_what_was_probably_meant(name, hint):
    with pytest.raises(BadSetting, match=rf"There is no setting '{name}'; .*{hint}"):
        Settings.of({name: 0.5})


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().strength = 0.5


@pytest.mark.parametrize(("values", "text"), [
    ({}, "a star"), ({"inversion_text": "empty"}, ""), ({"inversion_text": "own text"}, ""),
    ({"inversion_text": "own text", "own_text": "a circle"}, "a circle"), ({"own_text": "a circle"}, "a star"),
    ({"suffix": ", sharp"}, "a star, sharp"),
    ({"inversion_text": "empty", "suffix": QUALITY_SUFFIX}, ", best quality, extremely detailed.")])
def test_the_inversion_text(values, text):
    assert Settings(**values).text_for("a star") == text


def test_only_a_strength_of_0_does_not_act():
    assert not Settings(strength=0).acts and Settings(strength=0.001).acts


def test_every_setting_has_label_help_and_an_infotext_key_of_its_own():
    metas = [setting.metadata for setting in FIELDS.values()]
    assert all(meta["label"] and meta["help"].endswith(".") for meta in metas)
    keys = [meta["infotext"] for meta in metas]
    assert len(set(keys)) == len(keys) and all(key.startswith("InDetail ") for key in keys)


def test_the_help_says_what_people_stumble_over():
    assert "no effect in the concatenation phase" in FIELDS["lambda_image"].metadata["help"]
    assert "5 steps, not 4" in FIELDS["stratified_until"].metadata["help"]


def test_the_table_has_a_line_for_every_setting():
    lines = markdown_table(Settings).splitlines()
    assert len(lines) == 2 + len(FIELDS)
    assert all(f"`{name}`" in line and line.count("|") == 5 for name, line in zip(FIELDS, lines[2:], strict=True))
