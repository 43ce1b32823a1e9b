"""Whether a generation was begun inside another one, as ADetailer and its like do."""

from __future__ import annotations

from modules import processing

from lib_indetail.hosts.webui.around import Around


class Depth:
    """How many of the host's generations are being made, one inside the other. It stands around the host's function,
    and so knows of those too that end by an exception."""

    def __init__(self) -> None:
        self.of_generations = 0
        self.around = Around(processing, "process_images_inner", self._counted)

    def _counted(self, original, *args, **kwargs):
        self.of_generations += 1
        try:
            return original(*args, **kwargs)
        finally:
            self.of_generations -= 1


depth = Depth()
