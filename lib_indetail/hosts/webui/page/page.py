"""The accordion in the txt2img and img2img tabs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import gradio as gr
from modules import infotext_utils
from modules.ui_components import InputAccordion, ToolButton

from lib_indetail.ask import words
from lib_indetail.ask.page_order import ALWAYS_OWN, FURTHER, IF_OWN, POSITIONS, SETTINGS, numbered
from lib_indetail.ask.request import SHOWN
from lib_indetail.ask.settings import INTERPOLATING, TASKS, Settings
from lib_indetail.hosts.webui import foreseen
from lib_indetail.hosts.webui.page import pasting
from lib_indetail.hosts.webui.page.controls import ADVANCED, BASIC, QUIET, TABLE, controls, hints, task_values
from lib_indetail.hosts.webui.page.pictures import (
    MASKS,
    Fields,
    FurtherPictures,
    PictureField,
    masks,
    wire_masks,
)
from lib_indetail.hosts.webui.page.presets import HELP as PRESET_HELP
from lib_indetail.hosts.webui.page.presets import PresetControls
from lib_indetail.hosts.webui.page.preview import preview
from lib_indetail.hosts.webui.page.report import report
from lib_indetail.hosts.webui.runtime import runtime
from lib_indetail.run.needed import need, patches
from lib_indetail.run.status import (
    Sizes,
    detail_text,
    kept_text,
    last_run,
    line,
    plan_text,
    room_text,
    sizes_with,
    strip_text,
)

logger = logging.getLogger(__name__)
TABS = ("txt2img", "img2img")
HOST = ("prompt", "gallery", *foreseen.CONTROLS)
NEED = ("levels", "blocks", "guidance", "start", "end", "inversion", "inversion_offset", "passes", "side",
        "detail")
"""Settings on which what the plan says of room and work depends."""
PICTURE_HEIGHT = 260
REPORTED = {"sampling": "sampler", "scheduler": "scheduler", "generation_info": "generation", "html_log": "log"}
"""The host's components by what a report says of them; some hosts have no scheduler apart from the sampler."""


class Pages:
    """The accordions of both tabs. The host makes its components one by one and tells us of each."""

    def __init__(self, find: pasting.Find) -> None:
        self._find = find
        self._pages: dict[str, Page] = {}
        self._host: dict[str, dict[str, gr.components.Component]] = {tab: {} for tab in TABS}

    def build(self, tab: str, elem_id: Callable[[str], str]) -> Page:
        """May be called again for a page that is thrown away: the API asks for default values so."""
        self._pages[tab] = Page(tab, elem_id, self._find)
        return self._pages[tab]

    def host_component(self, component: gr.components.Component, elem_id: str | None = None, **_) -> None:
        """The host has made a component. The text of the last result comes last: then everything is
        there."""
        for tab, host in self._host.items():
            if elem_id in [f"{tab}_{name}" for name in HOST]:
                host[elem_id.removeprefix(f"{tab}_")] = component
            if elem_id == f"{tab}_send_to_extras":
                host["send_to_indetail"] = ToolButton("🎯", elem_id=f"{tab}_send_to_indetail",
                                                      tooltip=words.SEND)
            if elem_id == f"html_log_{tab}":
                host["html_log"] = component
            if elem_id == f"generation_info_{tab}" and tab in self._pages:
                self._pages[tab].wire({**host, "generation_info": component})


class Page:
    """The controls of one tab, and what happens between them. `tab` is "txt2img" or "img2img"."""

    def __init__(self, tab: str, elem_id: Callable[[str], str], find: pasting.Find):
        self.tab, self._find = tab, find
        task = runtime.host.option("indetail_task")
        task = task if task in TASKS else next(iter(TASKS))
        with InputAccordion(False, label="InDetail", elem_id=elem_id("enabled")) as self.enabled:
            with gr.Tabs(elem_id=elem_id("tabs")):
                with gr.Tab(words.IMAGE_PROMPT, elem_id=elem_id("tab_image_prompt")):
                    self._build_image_prompt(elem_id, task)
                with gr.Tab(words.INTERPOLATE, elem_id=elem_id("tab_interpolate"), visible=tab == "txt2img"):
                    self.settings |= controls(INTERPOLATING, elem_id, task)
                    self.strip = gr.HTML("", elem_id=elem_id("strip"), elem_classes="indetail")
            gr.HTML(hints(elem_id, _help()), visible=True, elem_id=elem_id("hints"), elem_classes="indetail-hidden")
            self.pasted = gr.Textbox("", elem_id=elem_id("pasted"), elem_classes="indetail-hidden", show_label=False)
        for unsaved in (self.picture, self.reconstruction, self.task, self.pasted, self.report):
            unsaved.do_not_save_to_config = True

    def _build_image_prompt(self, elem_id: Callable[[str], str], task: str) -> None:
        with gr.Row():
            self.picture = PictureField(label=words.IMAGE_PROMPT, type="pil", image_mode=None, source="upload",
                                        height=PICTURE_HEIGHT, elem_id=elem_id("image"))
            self.reconstruction = gr.Image(label=words.RECONSTRUCTION, visible=False, interactive=False,
                                           height=PICTURE_HEIGHT, elem_id=elem_id("reconstruction"))
        self.sizes = gr.State({})
        self.plan = gr.HTML(plan_text(False), elem_id=elem_id("plan"), elem_classes="indetail")
        self.notice = gr.HTML("", elem_id=elem_id("notice"), elem_classes="indetail")
        self.last = gr.HTML("", elem_id=elem_id("last"), elem_classes="indetail")
        self.task = gr.Radio(list(TASKS), value=task, label=words.TASK, elem_id=elem_id("task"))
        self.presets = PresetControls(elem_id)
        self.settings = controls(BASIC, elem_id, task)
        with gr.Accordion(words.MASKS, open=False, elem_id=elem_id("masks")):
            self.masks, self._paint = masks(elem_id)
        self.further = FurtherPictures(elem_id)
        with gr.Accordion(words.ADVANCED, open=False, elem_id=elem_id("advanced")):
            self.settings |= controls(ADVANCED, elem_id, task)
            self.try_inversion = gr.Button(words.PREVIEW, size="sm", elem_id=elem_id("preview"))
            self.show = gr.CheckboxGroup(list(SHOWN), label=words.SHOW, elem_id=elem_id("show"))
            self.kept = gr.HTML(_kept, elem_id=elem_id("kept"), elem_classes="indetail")
            self.forget = gr.Button(words.FORGET, size="sm", elem_id=elem_id("forget"))
            self.copy_report = gr.Button(words.COPY, size="sm", elem_id=elem_id("copy_report"))
            self.report = gr.Textbox(label=words.REPORT, lines=8, max_lines=12, visible=False, interactive=True,
                                     elem_id=elem_id("report"))

    @property
    def inputs(self) -> list[gr.components.Component]:
        """In the order of `page_order.POSITIONS`."""
        return [self._fields[name] for name in POSITIONS]

    @property
    def _fields(self) -> Fields:
        return {"enabled": self.enabled, "image": self.picture, "task": self.task, **self.settings, **self.masks,
                **self.further.fields, "show": self.show}

    @property
    def _pictures(self) -> list[gr.components.Component]:
        """Pictures and masks, in the order of `pasting.PICTURES`."""
        return [self._fields[name] for name in pasting.PICTURES]

    @property
    def _in_order(self) -> list[gr.components.Component]:
        return [self.settings[name] for name in SETTINGS]

    def paste_fields(self) -> tuple[list, list]:
        """What pasted infotext goes into, and what the host sends from tab to tab."""
        return pasting.paste_fields(self._fields, self.pasted, self._find)

    def wire(self, host: dict[str, gr.components.Component]) -> None:
        """Connect the controls with the host's own components, by the names in `HOST`."""
        self._wire_plan(host)
        size = [host["width"], host["height"]]
        self.further.wire(size)
        wire_masks(self.picture, self.masks, self._paint, size)
        text_mode = self.settings["inversion_text"]
        text_mode.change(lambda mode: gr.update(visible=mode == "own text"), text_mode, self.settings["own_text"],
                         **QUIET)
        self.presets.wire([self.task, *self._in_order])
        self.task.input(task_values, self.task, self._in_order, **QUIET)
        self.task.change(None, _js=f"() => indetailGrey('{self.tab}')")
        self.settings["side"].change(None, _js=f"() => indetailGrey('{self.tab}')")
        self.pasted.change(pasting.receive, [self.pasted, *self._pictures],
                           [self.notice, *self._pictures], **QUIET)
        for replaced in (self.picture.upload, self.picture.clear):
            replaced(lambda: "", None, self.notice, **QUIET)
        host["html_log"].change(_last_run, [host["html_log"], self.plan], self.last, **QUIET)
        host["html_log"].change(_kept, None, self.kept, **QUIET)
        self.forget.click(_forgotten, None, self.kept, **QUIET)
        said = [name for name in REPORTED if name in host]
        self.copy_report.click(partial(_reported, said), [host[name] for name in said], self.report, **QUIET
                               ).then(None, self.report, None, _js=f"text => indetailCopy('{self.tab}', text)")
        host["send_to_indetail"].click(infotext_utils.image_from_url_text, host["gallery"], self.picture,
                         _js="extract_image_from_gallery").then(None, _js=f"() => indetailOpen('{self.tab}')")
        self.try_inversion.click(preview, [self.picture, self.task, host["width"], host["height"], host["prompt"],
                                           *self._in_order], [self.reconstruction, self.plan])

    def _wire_plan(self, host: dict[str, gr.components.Component]) -> None:
        of_the_host = {name: host[name] for name in foreseen.CONTROLS if name in host}
        inputs = [self.enabled, self.sizes, self.settings["strength"], self.settings["resize"], self.task]
        planning = dict(fn=partial(_planned, self.tab, list(of_the_host)), outputs=[self.plan, self.strip], **QUIET,
                        inputs=[*inputs, *self._in_order, *of_the_host.values()])
        inputs += [*of_the_host.values(), *(self.settings[name] for name in (*NEED, *INTERPOLATING))]
        for number in (1, *FURTHER):
            picture = self._fields[numbered("image", number)]
            picture.change(partial(sizes_with, number), [picture, self.sizes], self.sizes,
                           **QUIET).then(**planning)
        for each in inputs:
            if each is not self.sizes:
                each.change(**planning)


def _planned(tab: str, names: Sequence[str], enabled: bool, sizes: Sizes, strength: float, resize: str, task: str,
             *values: Any) -> tuple[str, str]:
    """What the page says of the next generation, and of its strips. `values` are those of all settings, and behind them
    those of the host's controls of these names."""
    settings, host = dict(zip(SETTINGS, values, strict=False)), dict(zip(names, values[len(SETTINGS):], strict=True))
    strip = strip_text(settings) if enabled and tab == "txt2img" else ""
    plan = plan_text(enabled, sizes, strength, resize, host["width"], host["height"], task,
                     runtime.host.standing_conflict,
                     lambda numbers: _room(tab, host, {**settings, **TASKS.get(task, {})}, numbers), strip)
    return plan, strip and line(strip, "ready")


def _room(tab: str, host: Mapping[str, Any], settings: Mapping[str, Any], numbers: Collection[int]) -> str:
    """What the first image prompt's settings need, for so many; nothing where no checkpoint is loaded yet, or where
    the generation would be refused, by the host or by us."""
    model = runtime.host.loaded()
    if model is None:
        return ""
    try:
        wished = foreseen.wished(tab, model, host, Settings.of(settings), len(numbers))
        return room_text(need(model, wished), runtime.room) + detail_text(patches(wished))
    except Exception:
        logger.debug("the room for keys and values cannot be told", exc_info=True)
        return ""


def _last_run(log: str, plan: str) -> str:
    return last_run(log, plan, runtime.told)


def _reported(names: Sequence[str], *said: str) -> dict[str, Any]:
    given = dict(zip((REPORTED[name] for name in names), said, strict=True))
    return gr.update(value=report(**given), visible=True)


def _kept() -> str:
    return kept_text(runtime.counts())


def _forgotten() -> str:
    """For the button: forget everything, and say what is there now."""
    runtime.forget()
    return _kept()


def _help() -> dict[str, str]:
    """Of masks, presets and further pictures, by name in the page."""
    of_masks = {name: help for name, (_, _, help) in MASKS.items()}
    of_further = {**of_masks, "own": words.OWN_HELP,
                  **{name: TABLE[name].metadata["help"] for name in (*ALWAYS_OWN, *IF_OWN)}}
    return {**of_masks, **PRESET_HELP, "show": words.SHOW_HELP,
            **{f"{name}_{number}": help for number in FURTHER for name, help in of_further.items()}}
