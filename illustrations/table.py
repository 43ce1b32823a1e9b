"""`python -m illustrations.table`: writes the table of settings into docs/settings.md, in place of the older one."""

from __future__ import annotations

import re
from pathlib import Path

from lib_indetail.ask.setting_kinds import markdown_table
from lib_indetail.ask.settings import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"


def with_table(page: str) -> str:
    """The page with the table as the product has it now."""
    head = re.escape(markdown_table(Settings).partition("\n")[0])
    return re.sub(rf"{head}\n(\|.*\n)+", lambda _: markdown_table(Settings).rstrip() + "\n", page)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
