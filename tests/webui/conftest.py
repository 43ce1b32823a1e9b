"""One WebUI with the extension for the whole run, and one without it to compare with."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from embedded.pictures import draw, random_scene
from lib_indetail.ask.options import OPTIONS
from tests.webui.checkpoints import build
from tests.webui.host import (
    HELPER,
    SEEDING,
    Host,
    encoded,
    find_controlnet,
    find_webui,
    own_copy,
    python_of,
    with_controlnet,
)
from tests.webui.person import CHROMIUM, Person


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


def at_rest(running):
    assert running.post("/probe/reset")[0] == 200
    before, errors = running.get("/sdapi/v1/options")[1], running.errors()
    yield running
    assert running.errors() == errors, running.tail()
    after = running.get("/sdapi/v1/options")[1]
    changed = {name: value for name, value in before.items() if after[name] != value}
    changed |= {name: option.default for name, option in OPTIONS.items() if name not in after}  # reForge tells of none
    if changed:
        running.options(**changed)


@pytest.fixture
def host(running):
    """The WebUI with the extension and the probe, with options as they were and the probe at rest."""
    yield from at_rest(running)


@pytest.fixture(scope="session")
def picture() -> str:
    """An image prompt: a dotted circle, as base64."""
    scene = random_scene(np.random.default_rng(3), shape="circle", pattern="dotted")
    return encoded(Image.fromarray(draw(scene)))


@pytest.fixture(scope="session")
def other() -> str:
    """A second image prompt: a striped heart."""
    scene = random_scene(np.random.default_rng(4), shape="heart", pattern="striped")
    return encoded(Image.fromarray(draw(scene)))


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="NOT RUN: Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("NOT RUN: no Chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def person(browser, host):
    """Somebody who has opened the txt2img tab."""
    somebody = Person(browser, host)
    yield somebody
    somebody.page.close()


RANDOM = ("sd1", "sd1-other", "sd2-v", "inpainting", "pix2pix", "sdxl", "sdxl-refiner")


@pytest.fixture(scope="session")
def random_checkpoints(tmp_path_factory):
    """A folder with small random checkpoints of every family."""
    folder = tmp_path_factory.mktemp("checkpoints")
    build(find_webui(), python_of(find_webui()), folder, RANDOM)
    return folder


@pytest.fixture(scope="session")
def beside_controlnet(tmp_path_factory, random_checkpoints):
    """The WebUI with the extension, ControlNet and checkpoints of all families."""
    if find_controlnet() is None:
        pytest.skip("NOT RUN: no ControlNet at SD_WEBUI_CONTROLNET or in the WebUI's extensions")
    host = Host(find_webui(), tmp_path_factory.mktemp("controlnet"), {
        "sd-webui-indetail": own_copy(tmp_path_factory.mktemp("extension")), **with_controlnet(),
        "test-probe": HELPER, "test-seeding": SEEDING})
    host.add_checkpoints(random_checkpoints)
    try:
        host.start()
        host.options(show_progress_type="Approx cheap")  # "Approx NN" would download a decoder for SDXL
        yield host
    finally:
        host.stop()


@pytest.fixture
def controlled(beside_controlnet):
    """The WebUI beside ControlNet, with options and checkpoint as they were and the probe at rest."""
    yield from at_rest(beside_controlnet)
