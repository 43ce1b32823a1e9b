"""The extension's entries on the WebUI's Settings page, from the table of options."""

from __future__ import annotations

import logging

import gradio as gr
from modules import shared

from lib_indetail.ask.options import LOG_LEVELS, OPTIONS, Option

SECTION = ("indetail", "InDetail")


def set_log_level() -> None:
    """As chosen; to the console, by a handler of our own alone, so that each thing is said once whatever log the host
    was started with."""
    default = OPTIONS["indetail_log"].default
    logger, level = logging.getLogger("lib_indetail"), getattr(shared.opts, "indetail_log", default)
    logger.setLevel(level if level in LOG_LEVELS else default)
    logger.propagate = False
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("InDetail %(levelname)s: %(message)s"))
        logger.addHandler(handler)


def add_options() -> None:
    for option in OPTIONS.values():
        shared.opts.add_option(option.name, _shown(option))
    set_log_level()


def _shown(option: Option) -> shared.OptionInfo:
    component = []
    if option.range:
        component = [gr.Slider, dict(zip(("minimum", "maximum", "step"), option.range, strict=True))]
    elif option.choices:
        component = [gr.Radio, {"choices": list(option.choices)}]
    info = shared.OptionInfo(option.default, option.label, *component, section=SECTION,
                             restrict_api=option.restricted,
                             onchange=set_log_level if option.name == "indetail_log" else None).info(option.help)
    return info.needs_reload_ui() if option.reloads else info
