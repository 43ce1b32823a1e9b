"""What InDetail does inside the host, written down."""

import contextlib
import hashlib

import torch
from modules import shared

from lib_indetail.attention.hooks import InDetailHooks
from lib_indetail.bank import recording
from lib_indetail.hosts.webui.runtime import runtime
from lib_indetail.hosts.webui.sampling_pass import SamplingPass
from lib_indetail.run import preparation
from lib_indetail.run.cached_preparation import Preparer

Model = type(runtime.host).view
"""The host's class of models."""


class Probe:
    """What was seen since the last reset, and what is to happen at the n-th UNet call."""

    def __init__(self):
        self.restore = lambda: None
        self.reset()

    def reset(self):
        self.restore()
        self.restore = lambda: None
        self.calls: list[int] = []  # rows of every call that goes through `unet(...)`
        self.own_calls = 0  # of one row, and not the host's own where those say what their rows are
        self.levels: list[float] = []  # of every evaluation of the denoiser
        self.steps: list[tuple] = []  # what extensions are told at each: the step, and of how many
        self.records: list[float] = []  # how far each recorded latent is from the chain at the call's level
        self.ahead: list[int] = []  # rows of each call that recorded levels ahead of sampling
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
        self.doing: list = []  # what the progress bar says at the calls
        self.comments: list[str] = []
        self.obstacle = ""
        self.after: int | None = None
        self.what = ""
        self.chain = None
        self.case = None
        self.latents: list[list[float]] = []
        self.moved: list[list[list]] = []  # see each_call_twice
        self.fed: dict | None = None  # what the first call of the UNet was given, once it is watched for
        self.fed_at = None
        self.level = None  # the latents and the noise level of the last evaluation
        self.nested = None
        self.arguments = "null"  # InDetail's own and its script's, of the last generation
        self.prompts: list[str] | None = None
        self.size: list[int] | None = None
        self.passes: list[dict] = []  # what the WebUI answers about each

    def unet_called(self, module, args, kwargs):
        x = args[0] if args else kwargs["x"]
        self.calls.append(len(x))
        self.own_calls += len(x) == 1 and not (kwargs.get("transformer_options") or {}).get("cond_or_uncond")
        if self.fed == {}:
            self.fed, self.fed_at = given(args, kwargs), self.level
        if self.doing[-1:] != [shared.state.textinfo]:
            self.doing.append(shared.state.textinfo)
        if len(x) == 1 and x.shape[1] > 4:
            self.channels.append(x[:, 4:].clone())
        if self.after is not None and len(self.calls) > self.after:
            self.after = None
            if self.what == "raise":
                raise RuntimeError("the probe broke this call")
            setattr(shared.state, self.what, True)


def given(args, kwargs):
    """To the UNet: scaled latents, timesteps, texts and SDXL's vectors, as lists."""
    named = dict(zip(("x", "timesteps", "context"), args, strict=False)) | kwargs
    return {name: named[name].float().tolist() for name in ("x", "timesteps", "context", "y")
            if named.get(name) is not None}


def given_by_us(prompt, frame):
    """What a call of our own gives to the UNet, for the first image and the level of the last evaluation seen."""
    model, (x, sigma) = runtime.host.model(), probe.fed_at
    z, probe.fed = x[:1] / (1 + sigma ** 2) ** 0.5, {}
    with torch.no_grad(), model.ready():
        model.outside(model.text(prompt, frame), torch.zeros_like(z))(z, model.timestep(sigma))
    return probe.fed


probe = getattr(runtime, "probe", None) or Probe()
runtime.probe = probe  # one for all times that the page is reloaded


def evaluated(params):
    unet = shared.sd_model.model.diffusion_model
    if not getattr(unet, "indetail_probed", False):
        watch(unet)
    if probe.extra:
        probe.evaluation = (params.x.clone(), params.sigma.clone(), params.image_cond, params.text_cond,
                            params.text_uncond)
    probe.steps.append((params.sampling_step, params.total_sampling_steps))
    schedule = runtime.host.model().schedule
    level = float(params.sigma.flatten()[0])
    probe.level = params.x.clone(), level
    if probe.case is not None:
        probe.latents.append(latents_of(params).float().flatten().tolist())
    is_sigma = hasattr(params.denoiser.inner_model, "sigmas") or in_sigma(params)
    probe.levels.append(level if is_sigma else schedule.sigma(level))


def in_sigma(params):
    """Whether the Forge family has made a sigma of a sampler's timestep, and one row for each image."""
    return getattr(params.denoiser, "classic_ddim_eps_estimation", False)


def latents_of(params):
    """Of a case's images, as a sampler of timesteps has them."""
    if in_sigma(params):
        return params.x / (1 + params.sigma ** 2).sqrt()[:, None, None, None]
    return params.x[:len(params.x) - params.text_cond.shape[0]]


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

    def indetail_probe_answered(module, args, kwargs, output):
        if of_a_reference(args[0] if args else kwargs["x"], kwargs):
            probe.references.append(fingerprint(output))

    unet.register_forward_pre_hook(indetail_probe_unet, with_kwargs=True)
    unet.register_forward_hook(indetail_probe_answered, with_kwargs=True)
    unet.indetail_probed = True


def spy_on_records():
    """Every record pass notes how far its latent is from the chain; every preparation notes its chain."""
    record_pass, prepare = Model.inside, Preparer.prepare
    if hasattr(record_pass, "spied"):
        return

    def spied_record(self, text, clean):
        run = record_pass(self, text, clean)

        def indetail_probe_record(z, timesteps):
            wanted = probe.chain.shown(self.schedule)(probe.levels[-1])
            probe.records.append(float((z.float() - wanted.to(z).float()).abs().max()))
            return run(z, timesteps)

        return indetail_probe_record

    def spied_prepare(self, model, wish, *run):
        if not getattr(model.unet, "indetail_probed", False):
            watch(model.unet)
        prepared = prepare(self, model, wish, *run)
        clean, probe.chain = prepared.clean, prepared.chain
        for channels in probe.channels:
            mask, latent = (channels[:, :1], channels[:, 1:]) if channels.shape[1] == 5 else (channels, clean)
            probe.off_clean += [float(mask.abs().max()), float((latent - clean).abs().max())]
        probe.channels = []
        probe.notes.append(prepared.note)
        return prepared

    encode_text = Model.text

    def spied_text(self, prompt, *args):
        probe.texts.append(prompt)
        return encode_text(self, prompt, *args)

    Model.text = spied_text
    evaluations = SamplingPass.evaluations

    def spied_evaluations(self, *args):
        known, beside = self.known, self.conditioning
        probe.passes.append({"title": self.title, "batch": list(self.batch), "from_noise": self.from_noise,
                             "inpainted": self.inpainted, "frame": [self.frame.width, self.frame.height],
                             "free": known and [float(known.free.mean()), *known.latent.shape],
                             "conditioning": beside if beside is None else list(beside.shape)})
        return evaluations(self, *args)

    SamplingPass.evaluations = spied_evaluations
    preparation.record_ahead = spied_ahead(preparation.record_ahead)
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
    Model.inside, Preparer.prepare = spied_record, spied_prepare


def spied_ahead(record_ahead):
    """What is recorded ahead of sampling counts as recorded, and is compared with the chain just so."""
    def ahead(models, wanted, memory, latent_at, timestep, *args, **kwargs):
        def spied(bank, model):
            def run(z, timesteps):
                probe.ahead.append(len(z))
                for row, t in zip(z, timesteps, strict=True):
                    off = {sigma: abs(timestep(sigma) - float(t)) for sigma in wanted[bank]}
                    nearest = [sigma for sigma in off if off[sigma] == min(off.values())]  # those below the lowest tie
                    probe.records.append(min(float((row - latent_at(each).to(row)).abs().max()) for each in nearest))
                return model(z, timesteps)

            return run

        models = {bank: spied(bank, model) for bank, model in models.items()}
        return record_ahead(models, wanted, memory, latent_at, timestep, *args, **kwargs)

    return ahead


@contextlib.contextmanager
def each_call_twice(rows):
    """Every call of the UNet is made as it is, and once more without us, from the same random state. `rows` gets, for
    every call with rows of ours, how far each row's answer has moved, with its role."""
    unet, enter, hooks = shared.sd_model.model.diffusion_model, InDetailHooks.__enter__, []

    def entered(self):
        hooks[:] = [self]
        return enter(self)

    def once(args, kwargs, before):
        torch.set_rng_state(before)
        control = kwargs.get("control")
        given = {**kwargs, "control": {place: list(each) for place, each in control.items()}} if control else kwargs
        return type(unet).forward(unet, *args, **given)

    def twice(*args, **kwargs):
        before = torch.get_rng_state()
        if not hooks:
            return once(args, kwargs, before)
        with hooks[0].asleep():
            plain = once(args, kwargs, before)
        ours, told = once(args, kwargs, before), hooks[0].at_work._rows
        if any(row.role != "other" for row in told):
            moved = (ours - plain).abs().flatten(1).amax(1).tolist()
            rows.append([[row.role, each] for row, each in zip(told, moved, strict=True)])
        return ours

    InDetailHooks.__enter__, unet.forward = entered, twice
    try:
        yield
    finally:
        InDetailHooks.__enter__ = enter
        del unet.forward


def hooks_left():
    """Hooks of ours, and instance attributes where there should be none."""
    unet = shared.sd_model.model.diffusion_model
    count = 0
    for module in unet.modules():
        for registry in (module._forward_hooks, module._forward_pre_hooks):
            count += sum("indetail" in hook.__name__ and "probe" not in hook.__name__ for hook in registry.values())
    return count


def fingerprint(tensor):
    return hashlib.sha256(tensor.float().cpu().contiguous().numpy().tobytes()).hexdigest()


def spied_reference(forward):
    """A1111's ControlNet makes its reference's passes within the sampler's call of the UNet."""
    def reference_pass(*args, **kwargs):
        output = forward(*args, **kwargs)
        probe.references.append(fingerprint(output))
        return output

    reference_pass.spied = True
    return reference_pass


def of_a_reference(x, kwargs):
    """The Forge family makes them in calls that are told as the sampler's own, of another latent."""
    if probe.level is None or not (kwargs.get("transformer_options") or {}).get("cond_or_uncond"):
        return False
    latents, sigma = probe.level
    shown, latents = x[:len(latents), :4], latents / (1 + sigma ** 2) ** 0.5
    return shown.shape != latents.shape or not torch.allclose(shown, latents, atol=1e-3)


class SmallTower(torch.nn.Module):
    """What a host looks at pictures with, of few numbers; it notes what it sees."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def preprocess(self, picture):
        return torch.tensor(list(picture.resize((4, 4)).getdata())).float().T.reshape(3, 4, 4) / 255

    def encode_image(self, pixels):
        probe.notes.append(f"tower: {list(pixels.shape)} {pixels.dtype}")
        return (self.weight * pixels).flatten(1)
