"""Preview inversion: what the model makes of the picture when it is inverted and sampled back without guidance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import gradio as gr
import torch
from modules import call_queue, devices, sd_models, shared
from PIL import Image

from lib_indetail.ask.page_order import SETTINGS
from lib_indetail.ask.request import Request
from lib_indetail.ask.settings import TASKS
from lib_indetail.errors import BadPicture, BadSetting, CannotAct, Interrupted
from lib_indetail.hosts.webui.runtime import runtime
from lib_indetail.inversion.inverter import ReconstructionError, reconstruction_error
from lib_indetail.run.extras import reconstruction
from lib_indetail.run.host import Frame
from lib_indetail.run.status import line
from lib_indetail.run.wishes import Pictured

STEPS = 20  # only prompt editing counts in them, and only its first step is taken


@dataclass(frozen=True, eq=False)
class Preview:
    """The reconstruction of `picture`, how far it is off, and what it took."""

    picture: Image.Image
    image: Image.Image
    error: ReconstructionError
    note: str


def preview(picture, task: str, width: float, height: float, prompt: str, *settings):
    """The page's button: the reconstruction, and a sentence with its error or with the reason why there is none."""
    own = {name: value for name, value in zip(SETTINGS, settings, strict=True) if name not in TASKS.get(task, {})}
    try:
        request = runtime.request([{"image": picture, "task": task, **own}])
        seen = previewed(request, prompt, int(width), int(height))
    except (BadSetting, BadPicture, CannotAct, Interrupted) as error:
        return gr.update(visible=False), line(str(error), "error")
    sentence = f"Reconstruction: {seen.error.latent:.1%} off in the latent, {seen.error.psnr:.1f} dB."
    return gr.update(value=seen.image, visible=True), line(sentence, "done")


def previewed(request: Request, prompt: str, width: int, height: int) -> Preview:
    """The request's picture inverted at that size and sampled back over the same nodes, in the host's queue.

    Raises BadSetting, BadPicture, CannotAct or Interrupted.
    """
    if not request.acts:
        raise BadSetting("Nothing is inverted: InDetail is off, or its strength is 0.")
    first = request.prompts[0]
    with _own_job():
        model = runtime.host.model()
        model.refuse()
        wish = Pictured(settings=first.settings, text=prompt, frame=Frame(width, height, STEPS), prompt=first)
        prepared = runtime.preparer.prepare(model, wish)
        picture, latent = reconstruction(runtime.host, model, prepared)
        error = reconstruction_error(prepared.clean, latent, model.decode)
        return Preview(first.picture, picture, error, prepared.note)


@contextmanager
def _own_job() -> Iterator[None]:
    """The host's queue, its job state and its precision, as a generation would have them."""
    with call_queue.queue_lock:
        shared.state.begin(job="InDetail preview")
        shared.state.job_count = 1
        try:
            sd_models.reload_model_weights()
            with torch.no_grad(), devices.without_autocast() if devices.unet_needs_upcast else devices.autocast():
                yield
        finally:
            runtime.host.tell(None)
            shared.state.end()
