"""The extension's entries on the Settings page."""

from __future__ import annotations

import logging
from pathlib import Path

import gradio as gr
from modules import paths_internal, shared

from lib_indetail.settings import TASKS

SECTION = ("indetail", "InDetail")
DEFAULTS = {"indetail_cache_mb": 256, "indetail_disk_mb": 256, "indetail_bank_mb": -1,
            "indetail_task": next(iter(TASKS)), "indetail_go_on": False, "indetail_inner": False,
            "indetail_folder": "indetail_pictures", "indetail_keep_mb": 512, "indetail_log": "WARNING"}
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def value(name: str):
    """A setting of ours, also before the page has ever been saved."""
    return getattr(shared.opts, name, DEFAULTS[name])


def picture_folder() -> Path:
    """Where pictures are taken from by name; a relative one lies in the host's data folder."""
    return Path(paths_internal.data_path, value("indetail_folder") or DEFAULTS["indetail_folder"])


def chain_folder() -> Path:
    """Where inverted pictures are kept over a restart."""
    return Path(paths_internal.data_path, "indetail_chains")


def kept_folder() -> Path:
    """Where pictures and masks lie that come back with infotext."""
    return Path(paths_internal.data_path, "indetail_kept")


def preset_file() -> Path:
    """A person's own presets."""
    return Path(paths_internal.data_path, "indetail_presets.json")


def set_log_level() -> None:
    """As chosen; to the console, by a handler of our own alone, so that each thing is said once whatever log the host
    was started with."""
    logger, level = logging.getLogger("lib_indetail"), value("indetail_log")
    logger.setLevel(level if level in LOG_LEVELS else DEFAULTS["indetail_log"])
    logger.propagate = False
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("InDetail %(levelname)s: %(message)s"))
        logger.addHandler(handler)


def add_options() -> None:
    def add(name: str, label: str, help: str, *args, **kwargs) -> shared.OptionInfo:
        info = shared.OptionInfo(DEFAULTS[name], label, *args, section=SECTION, **kwargs).info(help)
        shared.opts.add_option(name, info)
        return info

    add("indetail_cache_mb", "Memory for inverted image prompts, in MB",
        "an inverted image prompt of 512x512 takes 3; 0 keeps none in memory",
        gr.Slider, {"minimum": 0, "maximum": 4096, "step": 16})
    add("indetail_disk_mb", "Disk space for inverted image prompts, in MB",
        "so that they are still there after a restart; they lie in indetail_chains in the WebUI's data folder, and "
        "show the image prompts to whoever can read them; 0 is off", gr.Slider,
        {"minimum": 0, "maximum": 8192, "step": 16})
    add("indetail_bank_mb", "Memory for keys and values, in MB",
        "what later generations read in place of computing it; 20 steps at 512x512 take 550 with SD 1.5; -1 is a "
        "quarter of what is free, 0 is off", gr.Slider, {"minimum": -1, "maximum": 65535, "step": 1})
    add("indetail_task", "Task that the page starts with", "the API starts with the first one",
        gr.Radio, {"choices": list(TASKS)}).needs_reload_ui()
    add("indetail_go_on", "Go on without InDetail where it cannot act",
        "where the model or another extension leaves no way: otherwise such a generation is refused with a reason")
    add("indetail_inner", "Act in inner passes too",
        "generations that another extension starts inside one, such as ADetailer's")
    add("indetail_folder", "Image prompt folder",
        "the XYZ plot takes image prompts from it by name, and pasted infotext finds its image prompt there; a "
        "relative folder lies in the WebUI's data folder", restrict_api=True)
    add("indetail_keep_mb", "Disk space for image prompts and masks that come back with infotext, in MB",
        "they lie in indetail_kept in the WebUI's data folder, for whoever can read them, the oldest leave first; "
        "0 keeps none", gr.Slider, {"minimum": 0, "maximum": 8192, "step": 16})
    add("indetail_log", "Log level", "what InDetail writes to the console; DEBUG says most",
        gr.Radio, {"choices": list(LOG_LEVELS)}, onchange=set_log_level)
    set_log_level()
