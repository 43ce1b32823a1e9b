"""A test-only extension: it watches InDetail inside the host, and makes things go wrong on request."""

import contextlib
import gc
import hashlib

import psutil
import torch
from fastapi import FastAPI
from indetail_obstacles import OBSTACLES, WITHIN
from modules import script_callbacks, scripts, shared
from safetensors.torch import load_file

from lib_indetail import hooks, recording
from lib_indetail.errors import InDetailError
from lib_indetail.webui import indetail, preparing
from lib_indetail.webui import model as indetail_model
from lib_indetail.webui.runtime import runtime


class Probe:
    """What was seen since the last reset, and what is to happen at the n-th UNet call."""

    def __init__(self):
        self.restore = lambda: None
        self.reset()

    def reset(self):
        self.restore()
        self.restore = lambda: None
        self.calls: list[int] = []  # rows of every call that goes through `unet(...)`
        self.levels: list[float] = []  # of every evaluation of the denoiser
        self.records: list[float] = []  # how far each recorded latent is from the chain at the call's level
        self.extra = False
        self.extras: list[float] = []
        self.evaluation = None
        self.references: list[str] = []  # fingerprints of what ControlNet's reference passes came to
        self.texts: list[str] = []  # every prompt that the image was inverted or read with
        self.layers = 0  # self-attention layers whose keys and values were recorded last
        self.channels: list = []  # what the UNet was fed beside the noisy latent in each one-row call
        self.off_clean: list[float] = []  # of these: the mask's largest value, and how far the rest is from the latent
        self.banks: list[str] = []  # fingerprints of all keys and values of each record pass
        self.notes: list[str] = []
        self.comments: list[str] = []
        self.obstacle = ""
        self.after: int | None = None
        self.what = ""
        self.chain = None
        self.case = None
        self.latents: list[list[float]] = []
        self.nested = None
        self.prompts: list[str] | None = None

    def unet_called(self, module, args, kwargs):
        x = args[0] if args else kwargs["x"]
        self.calls.append(len(x))
        if len(x) == 1 and x.shape[1] > 4:
            self.channels.append(x[:, 4:].clone())
        if self.after is not None and len(self.calls) > self.after:
            self.after = None
            if self.what == "raise":
                raise RuntimeError("the probe broke this call")
            setattr(shared.state, self.what, True)


probe = getattr(runtime, "probe", None) or Probe()
runtime.probe = probe  # one for all times that the page is reloaded


def evaluated(params):
    unet = shared.sd_model.model.diffusion_model
    if not getattr(unet, "indetail_probed", False):
        watch(unet)
    if probe.extra:
        probe.evaluation = (params.x.clone(), params.sigma.clone(), params.image_cond, params.text_cond,
                            params.text_uncond)
    schedule = indetail_model.HostModel(shared.sd_model).schedule
    level = float(params.sigma.flatten()[0])
    if probe.case is not None:
        images = len(params.x) - params.text_cond.shape[0]
        probe.latents.append(params.x[:images].float().flatten().tolist())
    probe.levels.append(level if hasattr(params.denoiser.inner_model, "sigmas") else schedule.sigma(level))


def denoised(params):
    """An extra pass of the cond rows and one of the uncond rows, as perturbed attention makes them: how far are they
    from the rows of the evaluation itself?"""
    if not probe.extra:
        return
    x, sigma, image_cond, cond, uncond = probe.evaluation
    for text, rows in ((cond, slice(0, len(cond))), (uncond, slice(len(cond), None))):
        fed = {"c_crossattn": [text], "c_concat": [image_cond[rows]]}
        again = params.inner_model(x[rows], sigma[rows], cond=fed)
        probe.extras.append(float((again - params.x[rows]).abs().max()))


def watch(unet):
    def indetail_probe_unet(module, args, kwargs):
        probe.unet_called(module, args, kwargs)

    unet.register_forward_pre_hook(indetail_probe_unet, with_kwargs=True)
    unet.indetail_probed = True


def spy_on_records():
    """Every record pass notes how far its latent is from the chain; every preparation notes its chain."""
    record_pass, prepare = indetail_model.HostModel.record_pass, preparing.Preparer.prepare
    if hasattr(record_pass, "spied"):
        return

    def spied_record(self, text, clean):
        run = record_pass(self, text, clean)

        def indetail_probe_record(z, timesteps):
            wanted = probe.chain.at(probe.levels[-1])
            probe.records.append(float((z.float() - wanted.to(z).float()).abs().max()))
            return run(z, timesteps)

        return indetail_probe_record

    def spied_prepare(self, model, wish):
        if not getattr(model.unet, "indetail_probed", False):
            watch(model.unet)
        prepared = prepare(self, model, wish)
        probe.chain = prepared.chain
        for channels in probe.channels:
            mask, latent = (channels[:, :1], channels[:, 1:]) if channels.shape[1] == 5 else (channels, prepared.clean)
            probe.off_clean += [float(mask.abs().max()), float((latent - prepared.clean).abs().max())]
        probe.channels = []
        probe.notes.append(prepared.note)
        return prepared

    encode_text = indetail_model.HostModel.text

    def spied_text(self, prompt, *args):
        probe.texts.append(prompt)
        return encode_text(self, prompt, *args)

    indetail_model.HostModel.text = spied_text
    read = recording.Recorder.bank

    def spied_bank(self, bank, sigma, x, timesteps):
        recorded = read(self, bank, sigma, x, timesteps)
        digest = hashlib.sha256()
        for tensor in (tensor for pair in recorded.values() for tensor in pair):
            digest.update(tensor.float().cpu().contiguous().numpy().tobytes())
        probe.banks.append(digest.hexdigest())
        probe.layers = len(recorded)
        return recorded

    recording.Recorder.bank = spied_bank
    spied_record.spied = True
    indetail_model.HostModel.record_pass, preparing.Preparer.prepare = spied_record, spied_prepare


def hooks_left():
    """Hooks of ours, and instance attributes where there should be none."""
    unet = shared.sd_model.model.diffusion_model
    count = 0
    for module in unet.modules():
        for registry in (module._forward_hooks, module._forward_pre_hooks):
            count += sum("indetail" in hook.__name__ and "probe" not in hook.__name__ for hook in registry.values())
    return count


def spied_reference(forward):
    def reference_pass(*args, **kwargs):
        output = forward(*args, **kwargs)
        probe.references.append(hashlib.sha256(output.float().cpu().contiguous().numpy().tobytes()).hexdigest())
        return output

    reference_pass.spied = True
    return reference_pass


class ProbeScript(scripts.Script):
    """Stands in for other scripts: a golden case's inputs, a nested generation, changes to InDetail's settings."""

    def title(self):
        return "InDetail probe"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        return []

    def process(self, p, *args):
        if probe.prompts:
            p.all_prompts = probe.prompts

    def process_before_every_sampling(self, p, *args, noise, c, uc, **kwargs):
        for network in (getattr(script, "latest_network", None) for script in p.scripts.alwayson_scripts):
            if getattr(network, "original_forward", None) and not hasattr(network.original_forward, "spied"):
                network.original_forward = spied_reference(network.original_forward)
        if probe.obstacle in WITHIN:
            WITHIN[probe.obstacle](p)
        if probe.case is not None:
            noise.copy_(probe.case["latents.noise_before_adain"])
            put_rows(c, uc, probe.case["text.rows_in_unet_order"])

    def post_sample(self, p, ps, *args):
        if probe.case is not None:
            probe.latents.append(ps.samples.float().flatten().tolist())

    def postprocess(self, p, processed, *args):
        probe.comments += list(p.comments)

    def postprocess_image(self, p, pp, *args):
        if probe.nested and not getattr(p, "indetail_probe_inner", False):
            probe.nested = False
            probe.notes.append(f"inner: {inner_generation(p)}")


def inner_generation(p):
    """A generation inside another one, with the same scripts, as detailers make them."""
    from modules.processing import StableDiffusionProcessingTxt2Img, process_images

    inner = StableDiffusionProcessingTxt2Img(sd_model=shared.sd_model, prompt=p.prompt, steps=3, width=128, height=128,
                                             sampler_name="Euler", do_not_save_samples=True, do_not_save_grid=True)
    inner.indetail_probe_inner = True
    inner.scripts, inner.script_args = p.scripts, p.script_args
    process_images(inner)
    return list(inner.comments)


def put_rows(c, uc, rows):
    """A golden case's text rows [u0, u1.., c0, c1..] in place of the host's own; those of row 0 are the image's."""
    half = len(rows) // 2
    for i in range(half - 1):
        for schedules, row in ((c.batch[i][0].schedules, rows[half + 1 + i]), (uc[i], rows[1 + i])):
            schedules[0] = schedules[0]._replace(cond=row)


def play_case(path):
    """The host generates with a golden case's text rows, clean latent and noise; its latents are kept."""
    probe.case = {name: tensor.float() for name, tensor in load_file(path).items()}

    def encode(self, picture):
        return probe.case["inversion.chain"][-1:]

    def text(self, *args, **kwargs):
        return probe.case["text.inversion"]

    spied = {"encode": indetail_model.HostModel.encode, "text": indetail_model.HostModel.text}
    indetail_model.HostModel.encode, indetail_model.HostModel.text = encode, text
    return spied


def add_routes(_, app: FastAPI):
    @app.post("/probe/reset")
    def reset():
        probe.reset()
        runtime.forget()
        return {}

    @app.post("/probe/restart")
    def restart():
        """What is in memory is lost, as when the host is started anew."""
        runtime.clear()
        return {}

    @app.post("/probe/forget")
    def forget():
        """What was seen, but not the caches."""
        probe.reset()
        return {}

    @app.post("/probe/obstacle")
    def obstacle(body: dict):
        held = contextlib.ExitStack()
        held.enter_context(OBSTACLES[body["what"]](shared.sd_model))
        probe.obstacle, probe.restore = body["what"], held.close
        return {}

    @app.post("/probe/then")
    def then(body: dict):
        probe.after, probe.what = body["after"], body["what"]
        return {}

    @app.post("/probe/case")
    def case(body: dict):
        spied = play_case(body["path"])
        probe.restore = lambda: [setattr(indetail_model.HostModel, name, value) for name, value in spied.items()]
        return {}

    @app.get("/probe/latents")
    def latents():
        return probe.latents

    @app.post("/probe/prompts")
    def prompts(body: dict):
        probe.prompts = body["prompts"]
        return {}

    @app.post("/probe/plain-attention")
    def plain_attention(body: dict):
        """Our attention put out of action, to see which tests notice."""
        if body["on"]:
            probe.attention = hooks.evaluate
            hooks.evaluate = lambda plan, call: call.own()
        else:
            hooks.evaluate = probe.attention
        return {}

    @app.post("/probe/extra")
    def extra():
        probe.extra = True
        return {}

    @app.post("/probe/foreign-hooks")
    def foreign_hooks():
        """What smoothed-energy guidance hangs on attention: it counts on an even number of rows."""
        def halves(module, args, output):
            first, second = output.chunk(2)
            return torch.cat([first, second])

        unet = shared.sd_model.model.diffusion_model
        handles = [module.register_forward_hook(halves) for name, module in unet.named_modules()
                   if name.endswith("attn1.to_q")]
        probe.restore = lambda: [handle.remove() for handle in handles]
        return {}

    @app.post("/probe/nested")
    def nested():
        probe.nested = True
        return {}

    @app.post("/probe/reload")
    def reload():
        shared.state.request_restart()
        return {}

    @app.get("/probe/state")
    def state():
        gc.collect()
        return {"calls": probe.calls, "levels": probe.levels, "records": probe.records, "notes": probe.notes,
                "comments": probe.comments, "extras": probe.extras, "banks": probe.banks,
                "hooks": hooks_left(),
                "texts": probe.texts, "references": probe.references,
                "layers": probe.layers, "off_clean": probe.off_clean,
                "chains": len(runtime.chains), "bytes": runtime.chains.bytes,
                "callbacks": [each.callback.__qualname__ for each in script_callbacks.callback_map[
                    "callbacks_cfg_denoiser"]],
                "memory_mb": psutil.Process().memory_info().rss / 2**20,
                "tensors": sum(torch.is_tensor(each) for each in gc.get_objects())}

    @app.get("/probe/external")
    def external():
        """The interface for other scripts, on a generation that nobody runs."""
        from modules.processing import StableDiffusionProcessingTxt2Img

        p = StableDiffusionProcessingTxt2Img(sd_model=shared.sd_model)
        p.scripts = scripts.scripts_txt2img
        p.script_args = [getattr(control, "value", None) for control in p.scripts.inputs]
        seen = {"before": indetail.settings(p) is None}
        picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
        seen["lambda"] = indetail.settings(p, enabled=True, image=picture, lambda_image=0.3).lambda_image
        with indetail.disabled(p):
            seen["inside"] = indetail.settings(p) is None
        seen["after"] = indetail.settings(p).lambda_image
        try:
            indetail.settings(p, lambda_image=3)
        except InDetailError as error:
            seen["error"] = str(error)
        return seen


spy_on_records()
script_callbacks.on_cfg_denoiser(evaluated)
script_callbacks.on_cfg_denoised(denoised)
script_callbacks.on_app_started(add_routes)
