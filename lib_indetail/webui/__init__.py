"""Where other scripts find InDetail, whatever host it runs in: `from lib_indetail.webui import indetail`."""

from lib_indetail.hosts.webui import indetail

__all__ = ["indetail"]
