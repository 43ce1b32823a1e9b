"""What a project that people join has: forms for problems and wishes, and a workflow that runs the tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

GITHUB = Path(__file__).resolve().parent.parent / ".github"
FORMS = sorted(path.name for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_one_that_github_shows(name):
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / name).read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form)
    names = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(set(names)) == len(names) > 0
    for field in form["body"]:
        assert field["type"] in ("textarea", "input", "dropdown", "checkboxes", "markdown")
        assert field["attributes"]["label"]


def test_the_form_for_problems_asks_for_all_that_is_needed_to_look_into_one():
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "problem.yml").read_text(encoding="utf-8"))
    report = next(field for field in form["body"] if field["id"] == "report")
    assert report["attributes"]["value"].split(":\n")[:-1] == ["Host", "Version", "Checkpoint", "Sampler",
                                                               "Other extensions", "Generation info"]
    assert report["validations"]["required"]


def test_the_workflow_runs_the_test_command():
    workflow = yaml.safe_load((GITHUB / "workflows" / "check.yml").read_text(encoding="utf-8"))
    steps = workflow["jobs"]["check"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["python check.py"]
