"""The button for reports: what it copies is what the form for problems asks for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lib_indetail import __version__
from tests.webui.host import FORGE

NAME = r"Forge family \S+" if FORGE else r"WebUI 1\.10\.1"
FORM = (Path(__file__).parents[2] / ".github" / "ISSUE_TEMPLATE" / "problem.yml").read_text(encoding="utf-8")
LABELS = re.findall(r"^        ([A-Z][\w ]+):$", FORM, re.M)


@pytest.fixture
def reporting(person):
    person.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    person.enable()
    person.open_advanced()
    return person


def copied(person) -> dict[str, str]:
    """Lines of the clipboard by label, after the button was pressed."""
    person.page.evaluate("navigator.clipboard.writeText('')")
    person.own("copy_report").click()
    for _ in range(100):
        if text := person.page.evaluate("navigator.clipboard.readText()"):
            break
        person.page.wait_for_timeout(200)
    return dict(line.split(": ", 1) for line in re.split(rf"\n(?=(?:{'|'.join(LABELS)}): )", text))


def test_the_lines_are_those_that_the_form_asks_for(reporting):
    assert len(LABELS) == 6
    lines = copied(reporting)
    assert list(lines) == LABELS
    assert lines["Version"] == f"InDetail {__version__}"
    assert lines["Generation info"] == "none yet"


def test_it_tells_of_host_checkpoint_sampler_and_extensions(reporting, host):
    lines = copied(reporting)
    assert re.match(f"{NAME}, Python 3\\.", lines["Host"]) and "gradio 3.41" in lines["Host"]
    assert re.search(", cpu, attention (Automatic|of the host), arguments ", lines["Host"])
    assert "--data-dir" in lines["Host"] and "--api" in lines["Host"].split()
    assert str(host.folder) not in "".join(lines.values())
    assert lines["Checkpoint"] == "indetail_embedded, LatentDiffusion"
    assert re.fullmatch(r"\w[\w+ ]*(, \w+|)" if FORGE else r"\w[\w+ ]*, \w+", lines["Sampler"])
    assert lines["Other extensions"] == ", ".join(["test-probe", *["test-registering"] * FORGE, "test-seeding"])


def test_after_a_generation_its_infotext_is_in_it(reporting, picture):
    reporting.drop(picture)
    reporting.generate("a star")
    told = copied(reporting)["Generation info"]
    assert told.startswith("a star\nSteps: 4, Sampler: ") and f"InDetail version: {__version__}" in told


def test_after_a_refusal_the_reason_is_in_it(reporting):
    reporting.generate("a star")
    assert "InDetail is on but has no image prompt: add one, or switch it off." in copied(reporting)["Generation info"]


def test_where_no_clipboard_is_allowed_the_text_is_there_to_copy(reporting):
    reporting.page.evaluate("() => { navigator.clipboard.writeText = async () => { throw new Error(); }; }")
    reporting.own("copy_report").click()
    reporting.page.wait_for_function(
        "() => String(window.getSelection()).startsWith('Host: ')", timeout=20_000)
    assert reporting.own("report").locator("textarea").input_value().startswith(f"Host: {NAME.split()[0]}")
    assert "indetail-copied" not in (reporting.own("copy_report").get_attribute("class") or "")


def test_it_opens_nothing_that_is_kept_as_a_default(reporting, host):
    saved = (host.folder / "ui-config.json").read_text()
    assert "Report" not in saved
