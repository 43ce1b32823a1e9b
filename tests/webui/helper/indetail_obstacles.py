"""What can stand in InDetail's way, put there on request: models and extensions beside which it cannot act."""

import contextlib
import copy

import torch
from modules import sd_unet, shared


class MotionWrapper(torch.nn.Module):
    """Named like AnimateDiff's."""


class OtherUnet:
    """What a compiled UNet of the host's setting looks like from outside."""

    def forward(self, x, timesteps, context, *args, **kwargs):
        chosen, sd_unet.current_unet = sd_unet.current_unet, None
        try:
            return shared.sd_model.model.diffusion_model(x, timesteps, context, *args, **kwargs)
        finally:
            sd_unet.current_unet = chosen


@contextlib.contextmanager
def depth_model(model):
    model.depth_model = OtherUnet()
    yield
    del model.depth_model


@contextlib.contextmanager
def chosen_unet(model):
    sd_unet.current_unet = OtherUnet()
    yield
    sd_unet.current_unet = None


@contextlib.contextmanager
def video_module(model):
    model.model.diffusion_model.probe_motion = MotionWrapper()
    yield
    del model.model.diffusion_model.probe_motion


@contextlib.contextmanager
def no_decoder(model):
    blocks = model.model.diffusion_model._modules.pop("output_blocks")
    yield
    model.model.diffusion_model._modules["output_blocks"] = blocks


def holder(model):
    """What holds the UNet."""
    return model.forge_objects.unet.model if hasattr(model, "forge_objects") else model.model


@contextlib.contextmanager
def put_back_unet(model):
    within = holder(model)
    unet = within.diffusion_model
    yield
    within.diffusion_model = unet


@contextlib.contextmanager
def nothing(model):
    yield


def spoiled(module, of_rows):
    """What a module gives for calls of so many rows becomes NaN."""
    def spoil(module, args, output):
        return output * float("nan") if of_rows(len(output)) else None

    return module.register_forward_hook(spoil)


@contextlib.contextmanager
def nan_of_the_vae(model):
    handle = spoiled(model.first_stage_model.quant_conv, lambda rows: True)
    yield
    handle.remove()


@contextlib.contextmanager
def nan_of_the_inversion(model):
    """Its calls have one row, a generation's two; the record is broken off before the UNet's end."""
    handle = spoiled(model.model.diffusion_model.out, lambda rows: rows == 1)
    yield
    handle.remove()


@contextlib.contextmanager
def nan_of_the_record(model):
    """In a layer's input, in calls of other rows than a generation's two."""
    blocks = [module for module in model.model.diffusion_model.output_blocks.modules() if hasattr(module, "norm1")]
    handle = spoiled(blocks[-1].norm1, lambda rows: rows != 2)
    yield
    handle.remove()


def tile(p):
    """Each half of the picture goes through the UNet alone, as Tiled Diffusion does it."""
    if hasattr(p.sd_model, "forge_objects"):
        tile_patched(p)
        return
    inner = p.sampler.model_wrap_cfg.inner_model
    original = inner.forward

    def forward(x, sigma, **kwargs):
        return torch.cat([original(half, sigma, **kwargs) for half in x.chunk(2, dim=-1)], dim=-1)

    inner.forward = forward


def tile_patched(p):
    """The same by the patch that the Forge family has for it."""
    def halves(apply_model, given):
        answers = [apply_model(half, given["timestep"], **given["c"]) for half in given["input"].chunk(2, dim=-1)]
        return torch.cat(answers, dim=-1)

    unet = p.sd_model.forge_objects.unet.clone()
    unet.set_model_unet_function_wrapper(halves)
    p.sd_model.forge_objects.unet = unet


def negative_asked_again(p):
    """The negative prompt at the sampler's own latent, in a call of its own whose rows are said to be cond."""
    from ldm_patched.modules.samplers import calc_cond_uncond_batch

    def again(given):
        calc_cond_uncond_batch(given["model"], given["uncond"], None, given["input"], given["sigma"],
                               given["model_options"])
        return given["denoised"]

    unet = p.sd_model.forge_objects.unet.clone()
    unet.set_model_sampler_post_cfg_function(again)
    p.sd_model.forge_objects.unet = unet


def replace_unet_later(p):
    """After the hooks are in place, a copy of the UNet takes over."""
    cfg, replaced = p.sampler.model_wrap_cfg, []
    cfg_forward = cfg.forward

    def forward(*args, **kwargs):
        if not replaced:
            model = holder(shared.sd_model)
            unet = copy.deepcopy(model.diffusion_model)
            for module in unet.modules():
                module._forward_hooks.clear()
                module._forward_pre_hooks.clear()
            model.diffusion_model = unet
            replaced.append(unet)
        return cfg_forward(*args, **kwargs)

    cfg.forward = forward


WITHIN = {"tiles": tile, "other UNet": replace_unet_later, "negative asked again": negative_asked_again}
OBSTACLES = {"depth model": depth_model, "SD Unet": chosen_unet, "video": video_module, "no decoder": no_decoder,
             "tiles": nothing, "negative asked again": nothing, "other UNet": put_back_unet,
             "NaN of the VAE": nan_of_the_vae, "NaN of the inversion": nan_of_the_inversion,
             "NaN of the record": nan_of_the_record}
