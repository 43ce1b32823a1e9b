"""A test-only extension: it watches InDetail inside the host, and makes things go wrong on request."""

import contextlib
import gc
import json

import psutil
import torch
from fastapi import FastAPI
from indetail_obstacles import OBSTACLES, WITHIN
from indetail_watching import (
    Model,
    SmallTower,
    denoised,
    each_call_twice,
    evaluated,
    given_by_us,
    hooks_left,
    probe,
    spied_reference,
    spy_on_records,
)
from modules import script_callbacks, scripts, shared
from modules.styles import PromptStyle
from safetensors.torch import load_file

from lib_indetail.attention import at_work
from lib_indetail.attention.method import Beside
from lib_indetail.errors import InDetailError
from lib_indetail.hosts.webui.denoiser_callback import callback
from lib_indetail.hosts.webui.job import Job
from lib_indetail.hosts.webui.runtime import runtime
from lib_indetail.run import generation
from lib_indetail.run.host import Frame
from lib_indetail.webui import indetail


class ProbeScript(scripts.Script):
    """Stands in for other scripts: a golden case's inputs, a nested generation, changes to InDetail's settings."""

    def title(self):
        return "InDetail probe"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        return []

    def process(self, p, *args):
        with contextlib.suppress(TypeError):
            chosen = [list(p.script_args[script.args_from:script.args_to]) for script in p.scripts.selectable_scripts
                      if script.title() == "InDetail folder"]
            probe.arguments = json.dumps({"own": indetail.arguments(p), "folder": chosen[0]})
        if probe.prompts:
            p.all_prompts = probe.prompts
        if probe.size:
            Job(p).resize(*probe.size)

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

    spied = {"encode": Model.encode, "text": Model.text}
    Model.encode, Model.text = encode, text
    return spied


def another_method(**changes):
    """Ours with these changes, until the probe is reset."""
    original = generation.InDetail
    generation.InDetail = type("Changed", (original,), changes)
    probe.restore = lambda: setattr(generation, "InDetail", original)


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
        probe.restore = lambda: [setattr(Model, name, value) for name, value in spied.items()]
        return {}

    @app.get("/probe/latents")
    def latents():
        return probe.latents

    @app.post("/probe/prompts")
    def prompts(body: dict):
        probe.prompts = body["prompts"]
        return {}

    @app.post("/probe/size")
    def size(body: dict):
        """Other pixels for the generations that come."""
        probe.size = body["size"]
        return {}

    @app.post("/probe/tokens")
    def tokens(body: dict):
        """Of a prompt, with their places; and the first row in which its text differs from another prompt's."""
        model, frame = runtime.host.model(), Frame(128, 128, 4)
        texts = [model.text(prompt, frame) for prompt in body["prompts"]]
        first, second = (text["crossattn"][0] if isinstance(text, dict) else text[0] for text in texts)
        same = [bool(torch.equal(a, b)) for a, b in zip(first, second, strict=True)]
        return {"tokens": [[token.text, token.places] for token in model.tokens(body["prompts"][0])],
                "differs_at": same.index(False) if False in same else None}

    @app.post("/probe/watch")
    def watch_next_call():
        probe.fed = {}
        return {}

    @app.post("/probe/fed")
    def fed(body: dict):
        """What the UNet was given in the call that was watched, at which level, and what a call of ours gives."""
        host, (x, sigma) = probe.fed, probe.fed_at
        return {"host": host, "sigma": sigma, "x": x[:1].tolist(),
                "own": given_by_us(body["prompt"], Frame(128, 128, 4))}

    @app.post("/probe/encoded")
    def encoded(body: dict):
        pictures = torch.tensor(body["pictures"])
        model = runtime.host.model()
        with model.ready():
            return model.encode(pictures).tolist()

    @app.post("/probe/texts")
    def texts(body: dict):
        """The text rows of another prompt in the place of every evaluation's cond rows."""
        def instead(u, cond, uncond, text_of):
            text = runtime.host.model().text(body["prompt"], Frame(128, 128, 4))
            if not isinstance(cond, dict):
                return text.expand(len(cond), -1, -1), uncond
            return {**cond, "crossattn": text["crossattn"].expand(len(cond["crossattn"]), -1, -1)}, uncond

        another_method(rewritten=staticmethod(instead))
        return {}

    @app.post("/probe/hidden")
    def hidden(body: dict):
        """So many images are sampled and not shown."""
        another_method(beside=(Beside(),) * body["images"])
        return {}

    @app.post("/probe/plain-attention")
    def plain_attention(body: dict):
        """Our attention put out of action, to see which tests notice."""
        if body["on"]:
            probe.attention = at_work.evaluate
            at_work.evaluate = lambda plan, call: call.entered.own()
        else:
            at_work.evaluate = probe.attention
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

    @app.post("/probe/twice")
    def twice():
        """Each call of the UNet with us and without, until the probe is reset."""
        held = contextlib.ExitStack()
        held.enter_context(each_call_twice(probe.moved))
        probe.restore = held.close
        return {}

    @app.post("/probe/tower")
    def tower():
        """A network of few numbers, in the place of the one that the host interrogates with; it notes what it sees."""
        interrogator, small = shared.interrogator, SmallTower()
        before = {name: getattr(interrogator, name) for name in ("clip_model", "clip_preprocess")}
        interrogator.clip_model, interrogator.clip_preprocess = small.half(), small.preprocess
        probe.restore = lambda: [setattr(interrogator, name, value) for name, value in before.items()]
        return {}

    @app.get("/probe/moved")
    def moved():
        return probe.moved

    @app.post("/probe/styles")
    def styles(body: dict):
        """Texts of more styles, by name, until the probe is reset."""
        known = shared.prompt_styles.styles
        known.update({name: PromptStyle(name, text, "", None) for name, text in body.items()})
        probe.restore = lambda: [known.pop(name) for name in body]
        return {}

    @app.post("/probe/nested")
    def nested():
        probe.nested = True
        return {}

    @app.post("/probe/hypernetworks")
    def hypernetworks():
        """The host looks for hypernetworks when its page is opened, and never by the API."""
        if hasattr(shared, "reload_hypernetworks"):
            shared.reload_hypernetworks()
        return {}

    @app.post("/probe/reload")
    def reload():
        shared.state.request_restart()
        return {}

    @app.get("/probe/state")
    def state():
        gc.collect()
        return {"calls": probe.calls, "own_calls": probe.own_calls, "levels": probe.levels, "steps": probe.steps,
                "records": probe.records, "notes": probe.notes,
                "ahead": probe.ahead, "doing": probe.doing,
                "comments": probe.comments, "extras": probe.extras, "banks": probe.banks,
                "hooks": hooks_left(), "passes": probe.passes,
                "held": callback._params is not None or callback.listening,
                "texts": probe.texts, "references": probe.references,
                "layers": probe.layers, "off_clean": probe.off_clean,
                "chains": len(runtime.chains), "bytes": runtime.chains.bytes,
                "callbacks": [each.callback.__qualname__ for each in script_callbacks.callback_map[
                    "callbacks_cfg_denoiser"]],
                "memory_mb": psutil.Process().memory_info().rss / 2**20,
                "tensors": sum(torch.is_tensor(each) for each in gc.get_objects())}

    @app.get("/probe/arguments")
    def arguments():
        """InDetail's own and its script's, of the last generation, if they can be written as JSON."""
        return json.loads(probe.arguments)

    @app.get("/probe/option")
    def option(name: str):
        """Also of those that the host's API does not tell."""
        return getattr(shared.opts, name)

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
