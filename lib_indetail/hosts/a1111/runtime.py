"""The one owner of what outlives a generation here."""

from __future__ import annotations

from lib_indetail.hosts.a1111.host import A1111
from lib_indetail.run.owner import Owner

runtime = Owner(A1111())
