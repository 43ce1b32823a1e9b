"""What a person copies into a report of a problem: the host, its models and extensions, and what was generated."""

from __future__ import annotations

import html
import json
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import torch
from modules import devices, extensions, sd_models, shared
from modules.launch_utils import git_tag

from lib_indetail import __version__
from lib_indetail.hosts.webui.runtime import runtime

NOTHING = "none yet"


def report(sampler: str = "", scheduler: str = "", generation: str = "", log: str = "") -> str:
    """The lines that the project's form for problems asks for. `generation` is the host's JSON about the last result,
    `log` what it shows under that. No line holds a path, and of the host's arguments only their names are told."""
    lines = {"Host": _host(), "Version": f"InDetail {__version__}", "Checkpoint": _checkpoint(),
             "Sampler": ", ".join(filter(None, (sampler, scheduler))) or NOTHING,
             "Other extensions": ", ".join(_others()) or "none",
             "Generation info": _infotext(generation) or _plain(log) or NOTHING}
    return "\n".join(f"{name}: {text}" for name, text in lines.items())


def _host() -> str:
    attention = getattr(shared.opts, "cross_attention_optimization", "of the host")
    return ", ".join((f"{runtime.host.name} {git_tag().removeprefix('v')}", f"Python {platform.python_version()}",
                      f"torch {torch.__version__}", f"gradio {gr.__version__}", _device(),
                      f"attention {attention}", f"arguments {_arguments()}"))


def _device() -> str:
    """Its name, and of a GPU its memory."""
    if devices.device.type != "cuda":
        return devices.device.type
    about = torch.cuda.get_device_properties(devices.device)
    return f"{about.name} with {about.total_memory / 2 ** 30:.0f} GB"


def _arguments() -> str:
    """Names of what was given and differs from its default: values may be paths and passwords."""
    given = (name for name, value in vars(shared.cmd_opts).items() if value != shared.parser.get_default(name))
    return " ".join(f"--{name.replace('_', '-')}" for name in given) or "none"


def _checkpoint() -> str:
    """As it is loaded: to ask for `shared.sd_model` would load one."""
    model = sd_models.model_data.sd_model
    info = getattr(model, "sd_checkpoint_info", None)
    return f"{info.short_title}, {type(model).__name__}" if info else "none"


def _others() -> Iterator[str]:
    """Extensions in force that do not come with the host: names, and versions where they are known."""
    for extension in extensions.active():
        if not extension.is_builtin and not _is_ours(extension):
            extension.read_info_from_repo()
            yield f"{extension.name} {extension.version}".strip()


def _is_ours(extension: extensions.Extension) -> bool:
    return Path(__file__).resolve().is_relative_to(Path(extension.path).resolve())


def _infotext(generation: str) -> str:
    try:
        said = json.loads(generation or "{}")
        return said["infotexts"][said.get("index_of_first_image", 0)]
    except (ValueError, KeyError, IndexError, TypeError):
        return ""


def _plain(log: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", log or "")).strip()
