"""On a host that InDetail does not know it shows one sentence and touches nothing."""

from __future__ import annotations

import json

import pytest

from tests.webui.host import FORGE, SEEDING, Host, find_webui, own_copy
from tests.webui.test_off import KINDS

SENTENCE = "InDetail found a host of the Forge family without ldm_patched, which it does not support yet."


@pytest.fixture(scope="module")
def forge_like(tmp_path_factory):
    """The WebUI with the package in it by which the Forge family is known, and without the backend that we know."""
    if FORGE:
        pytest.skip("NOT THERE: a host without ldm_patched cannot be made of one that has it (ldm_patched)")
    packages = tmp_path_factory.mktemp("packages")
    (packages / "modules_forge").mkdir()
    (packages / "modules_forge" / "__init__.py").touch()
    extension = own_copy(tmp_path_factory.mktemp("extension"))
    extensions = {"sd-webui-indetail": extension, "test-seeding": SEEDING}
    host = Host(find_webui(), tmp_path_factory.mktemp("forge"), extensions, packages=packages)
    try:
        yield host.start()
    finally:
        host.stop()


def test_one_sentence_is_shown_in_both_tabs_and_no_control(forge_like):
    config = forge_like.get("/config")[1]
    shown = json.dumps(config)
    assert shown.count(SENTENCE) == 2
    assert "indetail_strength" not in shown
    assert "Error loading script" not in forge_like.tail(None)


def test_pictures_are_made_as_without_it(forge_like, bare_pictures):
    assert forge_like.make(**KINDS["txt2img"]) == bare_pictures["txt2img"]
