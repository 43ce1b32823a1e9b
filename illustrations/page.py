"""The page as a person goes through it, recorded in headless Chromium."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from illustrations.sheets import IMAGE_PROMPT
from illustrations.shown import PICTURES
from illustrations.studio import WEBUI, Studio, drawn
from tests.webui.host import encoded
from tests.webui.person import CHROMIUM, Person

VIEW = {"width": 1000, "height": 1250}
WIDTH, QUALITY = 800, 75
RING = "0 0 0 4px rgba(220, 38, 38, 0.85)"
"""Around what the person acts on."""


@dataclass
class Recording:
    """Frames of the page, each with the time for which it stands, in milliseconds."""

    person: Person
    frames: list[Image.Image] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def hold(self, milliseconds: int) -> None:
        frame = Image.open(io.BytesIO(self.person.page.screenshot())).convert("RGB")
        self.frames.append(frame.resize((WIDTH, round(frame.height * WIDTH / frame.width)), Image.Resampling.LANCZOS))
        self.times.append(milliseconds)

    @contextmanager
    def ring(self, selector: str, milliseconds: int) -> Iterator[None]:
        """What is done within is shown before and after, with a ring around the element."""
        element = self.person.page.locator(selector).first
        element.evaluate("(element, ring) => { element.style.boxShadow = ring; }", RING)
        self.hold(milliseconds)
        yield
        self.person.page.wait_for_timeout(500)
        self.hold(milliseconds)
        element.evaluate("element => { element.style.boxShadow = ''; }")

    def save(self, path: Path) -> None:
        first, *rest = self.frames
        first.save(path, save_all=True, append_images=rest, duration=self.times, loop=0, quality=QUALITY, method=6)


def page(studio: Studio, path: Path) -> None:
    """The first picture, step by step as README has it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        person = Person(browser, studio.host)
        person.page.set_viewport_size(VIEW)
        for name, value in (("steps", WEBUI["steps"]), ("batch_size", 4)):
            person.fill(f"#txt2img_{name} input[type=number]", value)
        person.fill("#txt2img_seed input[type=number]", WEBUI["seed"])
        recording = Recording(person)
        _steps(recording, PICTURES["page"].wishes[0]["preset"])
        browser.close()
    recording.save(path)


def _steps(recording: Recording, preset: str) -> None:
    person = recording.person
    own = "#script_txt2img_indetail_"
    with recording.ring(f"{own}enabled", 1000):
        person.enable()
    with recording.ring(f"{own}image", 1000):
        person.drop(encoded(drawn(*IMAGE_PROMPT)))
        person.wait_for("plan", "will be inverted")
    person.own("presets").locator(".label-wrap").first.click()
    with recording.ring(f"{own}presets", 1200):
        person.choose(f"{own}preset", preset)
        person.page.wait_for_timeout(800)
    with recording.ring("#txt2img_prompt", 800):
        person.fill("#txt2img_prompt textarea", "a star")
    with recording.ring("#txt2img_generate", 400):
        before = person.log()
        person.page.locator("#txt2img_generate").click()
    while person.log() == before:
        recording.hold(300)
        person.page.wait_for_timeout(1200)
    person.page.wait_for_timeout(1500)
    recording.hold(5000)
