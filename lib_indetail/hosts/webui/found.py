"""Which host this is, by what it has."""

from __future__ import annotations

import importlib.util

from modules import scripts

from lib_indetail.hosts.webui.host import WebUI

FORGE, BACKEND = "modules_forge", "ldm_patched"


def why_not() -> str | None:
    """What was found here and what is missing, in one sentence, where InDetail cannot run; None where it can."""
    if not hasattr(scripts.Script, "process_before_every_sampling"):
        return "InDetail needs version 1.10 of the WebUI or newer: scripts are not told of every sampling call here."
    if _has(FORGE) and not _has(BACKEND):
        return f"InDetail found a host of the Forge family without {BACKEND}, which it does not support yet."
    return None


def found() -> WebUI:
    if _has(FORGE):
        from lib_indetail.hosts.forge.host import LdmPatched

        return LdmPatched()
    from lib_indetail.hosts.a1111.host import A1111

    return A1111()


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
