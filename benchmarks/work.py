"""The work that is timed: one generation with classifier-free guidance on a UNet of SD 1.5's shape."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from torch import nn

from benchmarks.quality.peers import RULES, PlannedBy, renoised_anew
from embedded.schedule import alphas_cumprod
from lib_indetail.ahead import MOST_ROWS, banks_read, record_ahead
from lib_indetail.algebra import PerToken
from lib_indetail.bank import BankMemory
from lib_indetail.branches import branches
from lib_indetail.cache import Cache
from lib_indetail.chain import Chain
from lib_indetail.hooks import InDetailHooks
from lib_indetail.inversion import Inverter, ddim_nodes
from lib_indetail.layers import self_attention_layers
from lib_indetail.noise import NoiseSchedule
from lib_indetail.passes import as_model, image_passes, plain_pass
from lib_indetail.plans import IMAGE, Planner, planner
from lib_indetail.preparation import prepare_chain
from lib_indetail.recording import listened
from lib_indetail.settings import Settings
from lib_indetail.window import position

SD15 = dict(image_size=32, model_channels=320, attention_resolutions=[4, 2, 1], num_res_blocks=2,
            channel_mult=[1, 2, 4, 4], num_heads=8, context_dim=768)
SCALE = 5.0
Planned = Planner | PlannedBy


@dataclass(eq=False)
class Work:
    """`batch` images of `cells` x `cells` latent cells in `steps` DDIM steps, with an image prompt or without.

    Weights and conditionings are random; that changes no cost. `take` is a mask of the image prompt, `remember` what
    keeps its keys and values. `calls` counts rows of every UNet call.
    """

    unet: nn.Module
    batch: int
    cells: int
    steps: int = 20
    nodes: int = 20
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    take: PerToken | None = None
    remember: type[BankMemory] = BankMemory

    def __post_init__(self) -> None:
        self.schedule = NoiseSchedule(alphas_cumprod())
        self.timesteps = ddim_nodes(self.steps)[::-1]
        generator = torch.Generator().manual_seed(1)
        self.picture, self.noise, self.text = (
            torch.randn(shape, generator=generator).to(self.device, self.dtype) for shape in
            ((1, 4, self.cells, self.cells), (self.batch, 4, self.cells, self.cells), (2, 77, _text_width(self.unet))))
        self.context = self.text.repeat_interleave(self.batch, dim=0)
        self.bank = Cache(lambda: 64 * 2**30)
        self.chain: Chain | None = None
        self.calls: list[int] = []

    def plain(self) -> torch.Tensor:
        return self._sampled(None)

    def warm(self) -> torch.Tensor:
        """Chain and bank are there."""
        return self._sampled(self.chain, self.remember(self.bank, "picture"))

    def without_bank(self) -> torch.Tensor:
        """The chain is there, and nothing is kept of what is recorded."""
        return self._sampled(self.chain)

    def cold(self, inversion: str) -> Callable[[], torch.Tensor]:
        """Nothing is there."""
        def run() -> torch.Tensor:
            memory = self.remember(Cache(lambda: 64 * 2**30), "picture")
            chain = self.inverted(inversion, memory)
            self._record_ahead(chain, memory)
            return self._sampled(chain, memory)

        return run

    def reference_only(self) -> torch.Tensor:
        """The cheapest form of its rule (fidelity 1): one row more at every step, which the cond rows of every block
        read."""
        chain = renoised_anew(Inverter(self.schedule), self.picture,
                              sorted(self.schedule.sigma(t) for t in self.timesteps), seed=1)
        return self._sampled(chain, None, PlannedBy(RULES["reference_only 1"]), "all")

    def prepare(self) -> None:
        """What `warm` and `without_bank` find."""
        self.chain = self.inverted("DDIM", None)
        self.warm()

    @torch.no_grad()
    def inverted(self, inversion: str, memory: BankMemory | None) -> Chain:
        settings = Settings(inversion=inversion, nodes=self.nodes)
        sigmas = [self.schedule.sigma(t) for t in self.timesteps]
        with listened(self_attention_layers(self.unet), memory or BankMemory(Cache(lambda: 0), None), IMAGE) as seen:
            return prepare_chain(settings, Inverter(self.schedule), as_model(self._image_pass()), self.picture, sigmas,
                                 seen)

    @torch.no_grad()
    def _record_ahead(self, chain: Chain, memory: BankMemory) -> None:
        levels = [(self.schedule.sigma(t), position(t)) for t in self.timesteps]
        layers = self_attention_layers(self.unet)
        with listened(layers, memory, IMAGE, to_the_end=False) as seen:
            wanted = banks_read(self._planner(), levels)
            record_ahead({IMAGE: as_model(self._image_pass())}, wanted, memory, chain.at, self.schedule.timestep,
                         lambda bank: seen, MOST_ROWS)

    def _image_pass(self):
        run = plain_pass(self.unet, self.text[:1])

        def counted(z, timesteps):
            self.calls.append(len(z))
            return run(z, timesteps.to(self.device))

        return counted

    @torch.no_grad()
    def _sampled(self, chain: Chain | None, memory: BankMemory | None = None, planned: Planned | None = None,
                 blocks: str = "decoder") -> torch.Tensor:
        if chain is None:
            return self._denoised(self._evaluate)
        with self.hooked(chain, memory, planned, blocks) as hooks:
            def evaluate(z: torch.Tensor, t: int) -> torch.Tensor:
                with self.reading(hooks, t):
                    return self._evaluate(z, t)

            return self._denoised(evaluate)

    def hooked(self, chain: Chain, memory: BankMemory | None = None, planned: Planned | None = None,
               blocks: str = "decoder") -> InDetailHooks:
        passes = image_passes(Settings(), self._image_pass(), self._image_pass())
        return InDetailHooks(self.unet, branches(chain.at, passes, blocks, memory), planned or self._planner())

    def reading(self, hooks: InDetailHooks, t: int) -> AbstractContextManager:
        """One evaluation, in which the cond rows read the image prompt."""
        roles = ["cond"] * self.batch + ["uncond"] * self.batch
        return hooks.evaluation(self.schedule.sigma(t), position(t), roles)

    def _planner(self) -> Planner:
        return planner(Settings(), self.take)

    def _denoised(self, evaluate: Callable[[torch.Tensor, int], torch.Tensor]) -> torch.Tensor:
        z = self.noise
        for t, after in zip(self.timesteps, [*self.timesteps[1:], 0], strict=True):
            here, there = self.schedule.abar(t), self.schedule.abar(after)
            noise = evaluate(z, t)
            z = there**0.5 * (z - (1 - here) ** 0.5 * noise) / here**0.5 + (1 - there) ** 0.5 * noise
        return z

    def _evaluate(self, z: torch.Tensor, t: int) -> torch.Tensor:
        cond, uncond = self.rows(z, t).chunk(2)
        return uncond + SCALE * (cond - uncond)

    def rows(self, z: torch.Tensor, t: int) -> torch.Tensor:
        """What the UNet makes of the cond rows, and behind them of the uncond rows."""
        self.calls.append(2 * len(z))
        timesteps = torch.full((2 * len(z),), t, device=self.device)
        return self.unet(torch.cat([z, z]), timesteps, context=self.context)


def _text_width(unet: nn.Module) -> int:
    return next(module.to_k.in_features for name, module in unet.named_modules() if name.endswith("attn2"))


def random_unet(device: torch.device, dtype: torch.dtype, **changes) -> nn.Module:
    """SD 1.5's UNet with small random weights; `changes` make it another."""
    from embedded.model import build_unet

    torch.manual_seed(0)
    with torch.device(device):
        unet = build_unet(**{**SD15, **changes})
    for module in unet.modules():
        for parameter in module.parameters(recurse=False):
            nn.init.normal_(parameter, std=0.01)
    return in_precision(unet.to(device), dtype).eval().requires_grad_(False)


def in_precision(unet: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The UNet in half precision as the hosts run it: group norms, and the timestep's embedding, in full."""
    unet.to(dtype).dtype = dtype
    for module in unet.modules():
        if isinstance(module, nn.GroupNorm):
            module.float()
    unet.time_embed.register_forward_pre_hook(lambda module, args: (args[0].to(dtype),))
    return unet
