"""A person at the page: one tab of a headless Chromium, driven by Playwright."""

from __future__ import annotations

import base64
import os
import re
import shutil
from pathlib import Path

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
SHOTS = os.environ.get("INDETAIL_SCREENSHOTS")
TOLERATED = re.compile(r"reading 'props'|Failed to load resource|ERR_|fonts|iframe")


class Person:
    """One browser tab on one of the WebUI's tabs."""

    def __init__(self, browser, host, width: int = 1280, theme: str = "light", tab: str = "txt2img"):
        self.tab, self.errors = tab, []
        self.page = browser.new_context(viewport={"width": width, "height": 1600}).new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(f"{host.url}/?__theme={theme}")
        self.page.wait_for_selector("#txt2img_generate", timeout=60_000)
        self.page.wait_for_selector(".input-accordion-checkbox", state="attached", timeout=60_000)
        if tab == "img2img":
            self.page.locator("#tabs > .tab-nav button", has_text="img2img").first.click()
        for name, value in (("width", 128), ("height", 128), ("steps", 4)):
            self.fill(f"#{tab}_{name} input[type=number]", value)

    def own(self, name: str):
        """The host gives an HTML block's id to two nested elements; the outer one comes first."""
        return self.page.locator(f"#script_{self.tab}_indetail_{name}").first

    def fill(self, selector: str, value) -> None:
        self.page.locator(selector).first.fill(str(value))
        self.page.locator(selector).first.dispatch_event("change")

    def enable(self) -> None:
        """Open the accordion, which switches it on."""
        self.own("enabled").locator(".label-wrap").first.click()

    def drop(self, picture: str, field: str = "image") -> None:
        self.own(field).locator("input[type=file]").set_input_files(
            {"name": "prompt.png", "mimeType": "image/png", "buffer": base64.b64decode(picture)})
        self.own(field).locator("img").first.wait_for(timeout=20_000, state="attached")

    def generate(self, prompt: str = "a star") -> None:
        """Until something else stands under the result; or, since two runs may come to the same words, until the
        Interrupt button has been gone for some seconds."""
        self.fill(f"#{self.tab}_prompt textarea", prompt)
        before = self.log()
        self.page.evaluate("window.testIdleSince = null")
        self.page.locator(f"#{self.tab}_generate").click()
        self.page.wait_for_function(
            """([tab, before]) => {
                const log = document.querySelector("#html_log_" + tab)?.innerText;
                const interrupt = document.querySelector(`#${tab}_interrupt`);
                const runs = interrupt && getComputedStyle(interrupt).display !== "none";
                window.testIdleSince = runs ? null : window.testIdleSince ?? performance.now();
                return log && (log !== before || (!runs && performance.now() - window.testIdleSince > 5000));
            }""", arg=[self.tab, before], timeout=120_000)

    def log(self) -> str:
        """What stands under the result."""
        return self.page.locator(f"#html_log_{self.tab}").first.inner_text()

    def open_advanced(self) -> None:
        self.own("advanced").locator(".label-wrap").click()

    def task(self, name: str) -> None:
        self.own("task").locator("label", has_text=name).click()

    def number(self, name: str):
        """The number field of a slider of ours."""
        return self.own(name).locator("input[type=number]")

    def set(self, name: str, value: float) -> None:
        self.number(name).fill(str(value))
        self.number(name).dispatch_event("change")

    def chosen(self, name: str) -> str:
        """What is chosen among radio buttons of ours."""
        return self.own(name).locator("input:checked").input_value()

    def is_on(self) -> bool:
        return self.page.locator(f"#script_{self.tab}_indetail_enabled-visible-checkbox").is_checked()

    def has_picture(self) -> bool:
        return self.own("image").locator("img").count() == 1

    def wait_for(self, name: str, text: str, timeout: int = 30_000) -> None:
        """Until a line of ours contains the text."""
        self.page.wait_for_function(
            "([id, text]) => document.querySelector(id)?.innerText.includes(text)",
            arg=[f"#script_{self.tab}_indetail_{name}", text], timeout=timeout)

    def result(self, number: int = 0) -> bytes:
        """The file of a picture in the result gallery."""
        source = self.page.locator(f"#{self.tab}_gallery img").nth(number).get_attribute("src")
        return self.page.request.get(source).body()

    def paste(self, infotext: str) -> None:
        """Infotext into the prompt, and the arrow that reads it."""
        self.fill(f"#{self.tab}_prompt textarea", infotext)
        self.page.locator(f"#{self.tab}_tools #paste").click()

    def send_from_png_info(self, png: bytes) -> None:
        """The PNG Info tab: a file in, then to our tab."""
        self.page.locator("#tabs > .tab-nav button", has_text="PNG Info").click()
        self.page.locator("#pnginfo_image input[type=file]").set_input_files(
            {"name": "result.png", "mimeType": "image/png", "buffer": png})
        self.page.locator("#tab_pnginfo").get_by_text("Steps: ").first.wait_for(timeout=30_000)
        self.page.locator(f"#tab_pnginfo #{self.tab}_tab").click()

    def choose(self, selector: str, choice: str) -> None:
        """An entry of a drop-down list."""
        field = self.page.locator(selector).locator("input").first
        field.click()
        field.fill(choice)
        self.page.locator("ul.options li", has_text=choice).first.click()

    def fill_late(self, selector: str, value: str) -> None:
        """A field that the host fills anew a moment after another one was changed."""
        for _ in range(20):
            self.fill(selector, value)
            self.page.wait_for_timeout(700)
            if self.page.locator(selector).first.input_value() == value:
                return
        raise AssertionError(f"{selector} does not keep {value!r}")

    def shot(self, name: str) -> None:
        if SHOTS:
            self.page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)

    def own_errors(self) -> list[str]:
        return [error for error in self.errors if not TOLERATED.search(error)]
