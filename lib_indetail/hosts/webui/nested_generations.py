"""Whether a generation was begun inside another one, as ADetailer and its like do."""

from __future__ import annotations

from functools import wraps

from modules import processing

_NAME = "process_images_inner"


class Depth:
    """How many of the host's generations are being made, one inside the other. It stands around the host's function
    for as long as the extension is loaded, and so knows of those too that end by an exception."""

    def __init__(self) -> None:
        self.of_generations = 0
        self._original = None

    def install(self) -> None:
        original = getattr(processing, _NAME)

        @wraps(original)
        def indetail_counted(*args, **kwargs):
            self.of_generations += 1
            try:
                return original(*args, **kwargs)
            finally:
                self.of_generations -= 1

        self._counted, self._original = indetail_counted, original
        setattr(processing, _NAME, indetail_counted)

    def remove(self) -> None:
        """Somebody may stand around it by now; then it stays, and counts for nobody."""
        if self._original is not None and getattr(processing, _NAME) is self._counted:
            setattr(processing, _NAME, self._original)
        self._original = None


depth = Depth()
