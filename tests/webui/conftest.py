"""One WebUI with the extension for the whole session, and one without it to compare with."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from embedded.pictures import draw, random_scene
from tests.webui.host import HELPER, SEEDING, Host, encoded, find_webui, own_copy


def pytest_collection_modifyitems(items):
    if find_webui() is not None:
        return
    skip = pytest.mark.skip(reason="NOT RUN: no WebUI at SD_WEBUI_DIR or ~/stable-diffusion-webui")
    for item in items:
        if "webui" in item.path.parts:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def bare_pictures(tmp_path_factory):
    """The PNG files of every kind of generation from a WebUI that has never heard of us."""
    from tests.webui.test_off import KINDS

    bare = Host(find_webui(), tmp_path_factory.mktemp("bare"), {"test-seeding": SEEDING})
    try:
        bare.start()
        return {kind: bare.make(**fields) for kind, fields in KINDS.items()}
    finally:
        bare.stop()


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("webui")
    host = Host(find_webui(), folder, {"sd-webui-indetail": own_copy(tmp_path_factory.mktemp("extension")),
                                       "test-probe": HELPER, "test-seeding": SEEDING})
    try:
        yield host.start()
    finally:
        host.stop()


@pytest.fixture
def host(running):
    """The WebUI with the extension and the probe, with options as they were and the probe at rest."""
    assert running.post("/probe/reset")[0] == 200
    before = running.get("/sdapi/v1/options")[1]
    yield running
    after = running.get("/sdapi/v1/options")[1]
    changed = {name: value for name, value in before.items() if after[name] != value}
    if changed:
        running.options(**changed)


@pytest.fixture(scope="session")
def picture() -> str:
    """An image prompt: a dotted circle, as base64."""
    scene = random_scene(np.random.default_rng(3), shape="circle", pattern="dotted")
    return encoded(Image.fromarray(draw(scene)))
