"""Where other scripts find InDetail, whatever host it runs in: `from lib_indetail.webui import indetail`."""

from lib_indetail.hosts.a1111 import indetail

__all__ = ["indetail"]
