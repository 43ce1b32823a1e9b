"""What a person chooses once for all generations, on the host's page of settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lib_indetail.ask.settings import TASKS

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True)
class Option:
    """`range` is lowest, highest and step of a number; `choices` are those of a text that is not free. What is
    `restricted` is not set by API, what `reloads` is in force after the page is reloaded."""

    name: str
    default: Any
    label: str
    help: str
    range: tuple[int, int, int] | None = None
    choices: Sequence[str] = ()
    restricted: bool = False
    reloads: bool = False


OPTIONS = {option.name: option for option in (
    Option("indetail_cache_mb", 256, "Memory for inverted image prompts, in MB",
           "an inverted image prompt of 512x512 takes 0.5; 0 keeps none in memory", (0, 4096, 16)),
    Option("indetail_disk_mb", 256, "Disk space for inverted image prompts, in MB",
           "so that they are still there after a restart; they lie in indetail_chains in the WebUI's data folder, and "
           "show the image prompts to whoever can read them; 0 is off", (0, 8192, 16)),
    Option("indetail_bank_mb", -1, "Memory for keys and values, in MB",
           "what later generations read in place of computing it; 512x512 takes 80 with SD 1.5 at 3 levels; -1 is a "
           "quarter of what is free, 0 is off", (-1, 65535, 1)),
    Option("indetail_task", next(iter(TASKS)), "Task that the page starts with", "the API starts with the first one",
           choices=tuple(TASKS), reloads=True),
    Option("indetail_go_on", False, "Go on without InDetail where it cannot act",
           "where the model or another extension leaves no way: otherwise such a generation is refused with a reason"),
    Option("indetail_inner", False, "Act in inner passes too",
           "generations that another extension starts inside one, such as ADetailer's"),
    Option("indetail_folder", "indetail_pictures", "Image prompt folder",
           "the XYZ plot takes image prompts from it by name, and pasted infotext finds its image prompt there; a "
           "relative folder lies in the WebUI's data folder", restricted=True),
    Option("indetail_keep_mb", 512, "Disk space for image prompts and masks that come back with infotext, in MB",
           "they lie in indetail_kept in the WebUI's data folder, for whoever can read them, the oldest leave first; "
           "0 keeps none", (0, 8192, 16)),
    Option("indetail_log", "WARNING", "Log level", "what InDetail writes to the console; DEBUG says most",
           choices=LOG_LEVELS),
)}
