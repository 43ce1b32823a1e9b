"""Preview inversion: what the model makes of the picture when it is inverted and sampled back without guidance."""

from __future__ import annotations

import html
from contextlib import contextmanager

import gradio as gr
import torch
from modules import call_queue, devices, sd_models, shared

from lib_indetail.errors import BadPicture, BadSetting, CannotAct, Interrupted
from lib_indetail.inversion import Inverter, ReconstructionError, ddim_nodes, reconstruction_error
from lib_indetail.picture import tensor_picture
from lib_indetail.request import POSITIONS, SETTINGS, Request
from lib_indetail.webui.conflicts import refuse_unsupported
from lib_indetail.webui.guards import undisturbed
from lib_indetail.webui.model import HostModel
from lib_indetail.webui.preparing import Prepared, Wish
from lib_indetail.webui.progress import interrupted, inversion_progress
from lib_indetail.webui.runtime import runtime

STEPS = 20  # only prompt editing counts in them, and only its first step is taken


def preview(picture, task: str, width: float, height: float, prompt: str, *settings):
    """The page's button: the reconstruction, and a sentence with its error or with the reason why there is none."""
    values = dict(zip(SETTINGS, settings))
    try:
        request = Request.of([True, picture, task, *(values[name] for name in POSITIONS[3:])])
        if request.picture is None:
            raise BadSetting("Strength is 0, so nothing is inverted")
        with _own_job():
            refuse_unsupported()
            wish = Wish(request.picture, request.settings, prompt, int(width), int(height), STEPS)
            image, error = reconstruct(wish)
    except (BadSetting, BadPicture, CannotAct, Interrupted) as error:
        return gr.update(visible=False), f"<p class='indetail-error'>{html.escape(str(error))}</p>"
    sentence = f"Reconstruction: {error.latent:.1%} off in the latent, {error.psnr:.1f} dB."
    return gr.update(value=image, visible=True), f"<p class='indetail-done'>{sentence}</p>"


def reconstruct(wish: Wish):
    """The picture of a wish, inverted and sampled back over the same nodes, and how far it is off."""
    model = HostModel(shared.sd_model)
    prepared = runtime.preparer.prepare(model, wish)
    latent = _sampled_back(model, wish, prepared)
    error: ReconstructionError = reconstruction_error(prepared.clean, latent, model.decode)
    return tensor_picture(model.decode(latent)[0]), error


@torch.no_grad()
def _sampled_back(model: HostModel, wish: Wish, prepared: Prepared) -> torch.Tensor:
    with inversion_progress() as report, undisturbed(model.unet):
        inverter = Inverter(model.schedule, model.prediction, report, interrupted)
        nodes = ddim_nodes(wish.settings.nodes, len(model.schedule))
        return inverter.reconstruct(model.inversion_model(prepared.text, prepared.clean), prepared.chain, nodes)


@contextmanager
def _own_job():
    """The host's queue, its job state and its precision, as a generation would have them."""
    with call_queue.queue_lock:
        shared.state.begin(job="InDetail preview")
        shared.state.job_count = 1
        try:
            sd_models.reload_model_weights()
            with torch.no_grad(), devices.without_autocast() if devices.unet_needs_upcast else devices.autocast():
                yield
        finally:
            shared.state.end()
