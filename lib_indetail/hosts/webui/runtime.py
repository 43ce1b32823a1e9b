"""The one owner of what outlives a generation here."""

from __future__ import annotations

from lib_indetail.hosts.webui.found import found
from lib_indetail.run.owner import Owner

runtime = Owner(found())
