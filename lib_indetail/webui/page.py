"""The accordion in the txt2img and img2img tabs. Its controls come from the table of settings."""

from __future__ import annotations

import dataclasses
import html
import itertools
import json
import re
from collections.abc import Callable

import gradio as gr
from modules import infotext_utils
from modules.ui_components import FormRow, InputAccordion, ToolButton

from lib_indetail.picture import crop_loss
from lib_indetail.request import DEFAULT_TASK, SETTINGS
from lib_indetail.settings import TASKS, Settings
from lib_indetail.webui.conflicts import standing_conflict
from lib_indetail.webui.preparing import crop_warning
from lib_indetail.webui.preview import preview

TABS = ("txt2img", "img2img")
TASK_LABEL = "Task"
TASK_HELP = "A task sets some values for you; they are grey while it is chosen."
_TABLE = {setting.name: setting for setting in dataclasses.fields(Settings)}
_RESULT = re.compile(r"(?:InDetail: |InDetailError: )([^<\n]+)")
HOST = ("prompt", "width", "height", "gallery")
PICTURE_HEIGHT = 260
ADVICE = {"structure-guided": " A ControlNet unit gives the structure; the authors use CFG scale 5."}


class Pages:
    """The accordions of both tabs. The host makes its components one by one and tells us of each."""

    def __init__(self) -> None:
        self._pages: dict[str, Page] = {}
        self._host: dict[str, dict[str, gr.components.Component]] = {tab: {} for tab in TABS}

    def build(self, tab: str, elem_id: Callable[[str], str]) -> list[gr.components.Component]:
        """May be called again for a page that is thrown away: the API asks for default values so."""
        self._pages[tab] = Page(tab)
        return self._pages[tab].build(elem_id)

    def host_component(self, component: gr.components.Component, elem_id: str | None = None, **_) -> None:
        """The host has made a component. The log below the result comes last: then everything is there."""
        for tab, host in self._host.items():
            if elem_id in [f"{tab}_{name}" for name in HOST]:
                host[elem_id.removeprefix(f"{tab}_")] = component
            if elem_id == f"{tab}_send_to_extras":
                host["send_to_indetail"] = ToolButton("🎯", elem_id=f"{tab}_send_to_indetail",
                                                      tooltip="Send image to InDetail as its image prompt.")
            if elem_id == f"html_log_{tab}" and tab in self._pages:
                self._pages[tab].wire({**host, "html_log": component})


class Page:
    """The controls of one tab, and what happens between them. `tab` is "txt2img" or "img2img"."""

    def __init__(self, tab: str):
        self.tab = tab

    def build(self, elem_id: Callable[[str], str]) -> list[gr.components.Component]:
        """Make the controls; gives them in the order of `request.POSITIONS`."""
        with InputAccordion(False, label="InDetail", elem_id=elem_id("enabled")) as self.enabled:
            with gr.Row():
                self.picture = gr.Image(label="Image prompt", type="pil", image_mode=None, source="upload",
                                        height=PICTURE_HEIGHT, elem_id=elem_id("image"))
                self.reconstruction = gr.Image(label="Reconstruction", visible=False, interactive=False,
                                               height=PICTURE_HEIGHT, elem_id=elem_id("reconstruction"))
            self.size = gr.State(None)
            self.plan = gr.HTML(plan_text(False), elem_id=elem_id("plan"), elem_classes="indetail")
            self.last = gr.HTML("", elem_id=elem_id("last"), elem_classes="indetail")
            self.task = gr.Radio(list(TASKS), value=DEFAULT_TASK, label=TASK_LABEL, elem_id=elem_id("task"))
            self.settings = _controls([name for name in SETTINGS if not _advanced(name)], elem_id)
            with gr.Accordion("Advanced", open=False, elem_id=elem_id("advanced")):
                self.settings |= _controls([name for name in SETTINGS if _advanced(name)], elem_id)
                self.try_inversion = gr.Button("Preview inversion", size="sm", elem_id=elem_id("preview"))
            gr.HTML(_hints(elem_id), visible=True, elem_id=elem_id("hints"), elem_classes="indetail-hints")
        self.picture.do_not_save_to_config = self.reconstruction.do_not_save_to_config = True
        return [self.enabled, self.picture, self.task, *(self.settings[name] for name in SETTINGS)]

    def wire(self, host: dict[str, gr.components.Component]) -> None:
        """Connect the controls with the host's own components, by the names in `HOST`."""
        plan_inputs = [self.enabled, self.size, self.settings["strength"], self.settings["resize"], host["width"],
                       host["height"], self.task]
        planning = dict(fn=plan_text, inputs=plan_inputs, outputs=self.plan, queue=False, show_progress=False)
        self.picture.change(lambda picture: picture and picture.size, self.picture, self.size, queue=False,
                            show_progress=False).then(**planning)
        for each in plan_inputs:
            if each is not self.size:
                each.change(**planning)
        text_mode = self.settings["inversion_text"]
        text_mode.change(lambda mode: gr.update(visible=mode == "own text"), text_mode, self.settings["own_text"],
                         queue=False, show_progress=False)
        self.task.change(_fixed_values, self.task, [self.settings[name] for name in SETTINGS], queue=False,
                         show_progress=False).then(None, _js=f"() => indetailGrey('{self.tab}')")
        host["html_log"].change(last_run, host["html_log"], self.last, queue=False, show_progress=False)
        host["send_to_indetail"].click(infotext_utils.image_from_url_text, host["gallery"], self.picture,
                         _js="extract_image_from_gallery").then(None, _js=f"() => indetailOpen('{self.tab}')")
        self.try_inversion.click(preview, [self.picture, self.task, host["width"], host["height"], host["prompt"],
                                           *(self.settings[name] for name in SETTINGS)],
                                 [self.reconstruction, self.plan])


def plan_text(enabled: bool, size: tuple[int, int] | None = None, strength: float = 1, resize: str = "crop",
              width: float = 0, height: float = 0, task: str = DEFAULT_TASK) -> str:
    """What the next generation will do, or why it will do nothing. `size` is the picture's, None without one."""
    if not enabled:
        return _line("Off: pictures are made as without InDetail.")
    if not strength:
        return _line("Strength is 0: pictures are made as without InDetail.")
    in_the_way = standing_conflict()
    if in_the_way:
        return _line(in_the_way, "error")
    if size is None:
        return _line("Drop in a picture: new pictures will take over its fine details.", "warning")
    warning = crop_warning(crop_loss(size, int(width), int(height))) if resize == "crop" else ""
    return _line(f"The picture ({size[0]}x{size[1]}) will be inverted at {int(width)}x{int(height)}"
                 f"{warning}.{ADVICE.get(task, '')}", "warning" if warning else "ready")


def last_run(log: str) -> str:
    """What the last generation did, from what the host shows under it; sessions do not mix, since it is theirs."""
    said = _RESULT.findall(log or "")
    kind = "error" if "InDetailError" in (log or "") else "done"
    return _line("Last run: " + " ".join(html.unescape(text) for text in said), kind) if said else ""


def _line(text: str, kind: str = "off") -> str:
    return f"<p class='indetail-{kind}'>{html.escape(text)}</p>"


def _advanced(name: str) -> bool:
    return _TABLE[name].metadata["advanced"]


def _controls(names: list[str], elem_id: Callable[[str], str]) -> dict[str, gr.components.Component]:
    """Controls in the table's order; sliders that follow each other share a row, two by two."""
    made: dict[str, gr.components.Component] = {}
    for sliders, group in itertools.groupby(names, key=lambda name: "low" in _TABLE[name].metadata):
        group = list(group)
        for row in (group[i:i + 2] for i in range(0, len(group), 2)) if sliders else ([name] for name in group):
            with FormRow():
                made |= {name: _control(name, elem_id) for name in row}
    return made


def _control(name: str, elem_id: Callable[[str], str]) -> gr.components.Component:
    setting = _TABLE[name]
    meta = setting.metadata
    common = dict(label=meta["label"], value=setting.default, elem_id=elem_id(name))
    if "choices" in meta:
        return gr.Radio(list(meta["choices"]), **common)
    if "low" in meta:
        return gr.Slider(meta["low"], meta["high"], step=meta["step"], **common)
    return gr.Textbox(visible=name != "own_text", max_lines=2, **common)


def _fixed_values(task: str) -> list[dict]:
    """The values a task sets; what only other tasks set goes back to its default, all else stays."""
    fixed = TASKS[task]
    sometimes = {name: _TABLE[name].default for values in TASKS.values() for name in values}
    return [gr.update(value=(sometimes | fixed)[name]) if name in sometimes else gr.update() for name in SETTINGS]


def _hints(elem_id: Callable[[str], str]) -> str:
    """For the page's script: help by element, and what each task fixes."""
    data = {"help": {elem_id(name): _TABLE[name].metadata["help"] for name in SETTINGS} | {elem_id("task"): TASK_HELP},
            "fixed": {task: [elem_id(name) for name in values] for task, values in TASKS.items()}}
    return f"<span hidden data-indetail='{html.escape(json.dumps(data), quote=True)}'></span>"
