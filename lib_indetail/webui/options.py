"""The extension's entries on the Settings page."""

from __future__ import annotations

import gradio as gr
from modules import shared

SECTION = ("indetail", "InDetail")
DEFAULTS = {"indetail_cache_mb": 256, "indetail_go_on": False, "indetail_inner": False}


def value(name: str):
    """A setting of ours, also before the page has ever been saved."""
    return getattr(shared.opts, name, DEFAULTS[name])


def add_options() -> None:
    def add(name: str, label: str, help: str, *args) -> None:
        shared.opts.add_option(name, shared.OptionInfo(DEFAULTS[name], label, *args, section=SECTION).info(help))

    add("indetail_cache_mb", "Memory for inverted pictures, in MB",
        "an inverted picture of 512x512 takes 3; 0 inverts anew every time",
        gr.Slider, {"minimum": 0, "maximum": 4096, "step": 16})
    add("indetail_go_on", "Go on without InDetail where it cannot act",
        "where the model or another extension leaves no way: otherwise such a generation is refused with a reason")
    add("indetail_inner", "Act in inner passes too",
        "generations that another extension starts inside one, such as ADetailer's")
