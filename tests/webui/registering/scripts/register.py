"""A test-only extension for hosts that know a model by its sizes alone: a checkpoint with a yaml beside it is loaded as
what the yaml says, with its own sizes of UNet, autoencoder and text towers, and a ControlNet as the loaded model's."""

import contextlib
import inspect
from pathlib import Path
from unittest import mock

import yaml
from ldm_patched.modules import model_detection, sd, sd1_clip, supported_models
from lib_controlnet import global_state
from modules import shared
from modules_forge import forge_loader
from modules_forge.supported_controlnet import ControlNetPatcher

OPENCLIP = Path(__file__).parents[1] / "openclip.json"


def family(params):
    """The host's class of a yaml's model."""
    if "conditioner_config" in params:
        texts = [each for each in params["conditioner_config"]["params"]["emb_models"] if each["input_key"] == "txt"]
        return supported_models.SDXL if len(texts) > 1 else supported_models.SDXLRefiner
    is_open = "OpenCLIP" in params["cond_stage_config"]["target"]
    return supported_models.SD20 if is_open else supported_models.SD15


def registered(params):
    """That class with the yaml's heads and scale."""
    of_unet = (params.get("unet_config") or params["network_config"])["params"]
    base = family(params)
    heads = {"num_heads": of_unet.get("num_heads", -1), "num_head_channels": of_unet.get("num_head_channels", -1)}
    scaled = type("LatentFormat", (base.latent_format,), {"__init__": lambda self: (
        super(scaled, self).__init__(), setattr(self, "scale_factor", params["scale_factor"]))[0]})
    return type("Registered", (base,), {"unet_extra_config": heads, "latent_format": scaled})


def tower(params):
    """The folder of its CLIP text tower, if it has one."""
    if "cond_stage_config" in params:
        return params["cond_stage_config"]["params"]["version"]
    texts = params["conditioner_config"]["params"]["emb_models"]
    return next((each["params"]["version"] for each in texts if each["target"].endswith("FrozenCLIPEmbedder")), None)


@contextlib.contextmanager
def of_yaml(params):
    detect, kind = model_detection.detect_unet_config, registered(params)
    needed = sum(each.default is each.empty for each in inspect.signature(detect).parameters.values())
    of_vae, of_text = sd.VAE.__init__, sd1_clip.SDClipModel.__init__
    vae = {"params": {"ddconfig": params["first_stage_config"]["params"]["ddconfig"], "embed_dim": 4}}
    vae["params"]["ddconfig"].pop("attn_type", None)

    def text(self, *args, **given):
        own = OPENCLIP if given.get("textmodel_json_config") else Path(tower(params), "config.json")
        of_text(self, *args, **{**given, "layer": "last", "layer_idx": None, "textmodel_json_config": str(own)})

    with mock.patch.object(model_detection, "model_config_from_unet",
                           lambda *args, **given: kind(detect(*args[:needed], **given))), \
            mock.patch.object(sd.VAE, "__init__", lambda self, *args, **given: of_vae(
                self, *args, **{"config": vae, **given})), \
            mock.patch.object(sd1_clip.SDClipModel, "__init__", text):
        yield


def as_its_yaml_says(checkpoint_info):
    config = Path(checkpoint_info.filename).with_suffix(".yaml")
    read = yaml.safe_load(config.read_text()) if config.is_file() else None
    return of_yaml(read["model"]["params"]) if read else contextlib.nullcontext()


def control_file(name):
    """Of a ControlNet by its bare name, to which some hosts add a hash."""
    return known(next((each for each in global_state.controlnet_filename_dict if each.split(" [")[0] == name), name))


def hosts_own(function):
    """Also when the page is loaded again."""
    return getattr(function, "hosts_own", function)


known = hosts_own(global_state.get_controlnet_filename)
original = hosts_own(forge_loader.load_model_for_a1111)
build = hosts_own(ControlNetPatcher.try_build_from_state_dict)


def load(timer, checkpoint_info=None, state_dict=None):
    with as_its_yaml_says(checkpoint_info):
        return original(timer, checkpoint_info=checkpoint_info, state_dict=state_dict)


def load_control(state_dict, path):
    with as_its_yaml_says(shared.sd_model.sd_checkpoint_info):
        return build(state_dict, path)


control_file.hosts_own, load.hosts_own, load_control.hosts_own = known, original, build
forge_loader.load_model_for_a1111 = load
ControlNetPatcher.try_build_from_state_dict = staticmethod(load_control)
global_state.get_controlnet_filename = control_file
