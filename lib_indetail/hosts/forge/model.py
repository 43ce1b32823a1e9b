"""A checkpoint of the Forge family: a UNet of ldm structure within a patcher, which counts noise levels as sigma."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable

import torch
from ldm_patched.modules import model_management
from modules import devices
from torch import nn

from lib_indetail.errors import CannotAct
from lib_indetail.hosts.webui.model import WebuiModel, of_weights
from lib_indetail.hosts.webui.own_attention import OwnAttention
from lib_indetail.inversion.inverter import Model
from lib_indetail.inversion.passes import as_model
from lib_indetail.noise.schedule import NoiseSchedule
from lib_indetail.run.host import Text

_SIGMA = torch.tensor([2.0])
"""Where a model is asked how it scales what it is fed and what it predicts."""


class ForgeModel(WebuiModel):
    attention = OwnAttention()

    @property
    def besides(self) -> dict[str, dict]:
        """Patches and residuals come with the host's calls, and with no other. The UNet writes into these options, so
        that every call has its own."""
        return {"transformer_options": {}}

    @property
    def patcher(self):
        """Of the pass at hand: extensions put copies with their patches in its place."""
        return self.sd_model.forge_objects.unet

    @property
    def unet(self) -> nn.Module | None:
        return getattr(self.patcher.model, "diffusion_model", None)

    @property
    def sampling(self):
        """How noise is counted; a patch may stand in the model's place."""
        patches = getattr(self.patcher, "object_patches", {})
        return patches.get("model_sampling", self.patcher.model.model_sampling)

    def refuse(self) -> None:
        super().refuse()
        ones = torch.ones(1, 1, 1, 1)
        if not _is(self.sampling.calculate_input(_SIGMA, ones), 5 ** -0.5):
            raise CannotAct("this model counts its noise in another way (a flow model)")
        if self._slope not in _PREDICTIONS:
            raise CannotAct("this model predicts neither the noise nor v")
        if not isinstance(self.unet.out[-1].weight, torch.nn.Parameter) or not all(
                hasattr(module.to_k, "weight") for module in self.unet.modules() if hasattr(module, "to_k")):
            raise CannotAct("the UNet is quantised in a way that it does not know")

    @property
    def _slope(self) -> float:
        """Of the clean latent by what the UNet predicts, at sigma 2."""
        nothing, one = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
        return round(float(self.sampling.calculate_denoised(_SIGMA, one, nothing)), 4)

    @property
    def prediction(self) -> str:
        return _PREDICTIONS.get(self._slope, "eps")

    @property
    def schedule(self) -> NoiseSchedule:
        return NoiseSchedule(1 / (1 + self.sampling.sigmas.double() ** 2))

    @property
    def device(self) -> torch.device:
        return self.patcher.load_device

    @property
    def dtype(self) -> torch.dtype:
        return self.patcher.model.manual_cast_dtype or self.patcher.model.get_dtype()

    def run_encoder(self, pictures: torch.Tensor) -> None:
        self.sd_model.forge_objects.vae.encode(pictures.movedim(1, -1) * 0.5 + 0.5)

    def scaled(self, mean: torch.Tensor) -> torch.Tensor:
        return self.patcher.model.process_latent_in(mean)

    def timestep(self, sigma: float) -> float:
        return float(self.sampling.timestep(torch.tensor([sigma])))

    def ready(self) -> contextlib.AbstractContextManager:
        """The patcher of this pass, with its LoRA."""
        model_management.load_models_gpu([self.patcher])
        return self.alone()

    def outside(self, text: Text, clean: torch.Tensor) -> Model:
        run = self.fed(self.unet, text, clean)
        return as_model(lambda z, timesteps: run(z, timesteps).float())

    def precision(self, z: torch.Tensor) -> torch.dtype:
        return self.dtype

    def makes_latents(self) -> Hashable:
        return of_weights(self.sd_model), str(devices.dtype_vae)

    def makes_noise(self) -> Hashable:
        return of_weights(self.sd_model), self.sd_model.current_lora_hash, str(self.dtype)

    def makes_records(self) -> Hashable:
        return ()


_PREDICTIONS = {-2.0: "eps", round(-2 * 5 ** -0.5, 4): "v"}


def _is(value: torch.Tensor, wanted: float) -> bool:
    return abs(float(value) - wanted) < 1e-4
