"""What is kept of prepared pictures: for the page, and for the API."""

from __future__ import annotations

from lib_indetail.webui.runtime import runtime
from lib_indetail.webui.status import line

NOTHING_KEPT = "Nothing is kept of earlier image prompts."


def kept() -> dict[str, int]:
    """`levels` are noise levels whose keys and values are kept; the first three are in memory. What is kept for
    infotext is another matter: it cannot be made again."""
    return {"pictures": len(runtime.latents), "inversions": len(runtime.chains), "levels": len(runtime.banks),
            "bytes": runtime.latents.bytes + runtime.chains.bytes, "bank_bytes": runtime.banks.bytes,
            "inversions_on_disk": len(runtime.store), "disk_bytes": runtime.store.bytes,
            "kept_pictures": len(runtime.kept), "kept_bytes": runtime.kept.bytes}


def forget() -> dict[str, int]:
    """What was forgotten."""
    forgotten = kept()
    runtime.forget()
    return forgotten


def kept_text() -> str:
    """The same for a person."""
    now = kept()
    if not any(count for name, count in now.items() if not name.startswith("kept")):
        return line(NOTHING_KEPT)
    return line(f"Kept in memory: inversions: {now['inversions']} ({_mb(now['bytes'])}); noise levels with keys and "
                f"values: {now['levels']} ({_mb(now['bank_bytes'])}). On disk: inversions: {now['inversions_on_disk']} "
                f"({_mb(now['disk_bytes'])}).")


def forgotten_text() -> str:
    """For the page's button: forget everything, and say what is there now."""
    forget()
    return kept_text()


def _mb(size: int) -> str:
    return f"{size / 2**20:.1f} MB"
