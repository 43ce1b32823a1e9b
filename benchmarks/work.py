"""The work that is timed: one generation with classifier-free guidance on a UNet of SD 1.5's shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

from benchmarks.quality.peers import RULES, Ruled, renoised_anew
from embedded.schedule import alphas_cumprod
from lib_indetail.ask.settings import Settings
from lib_indetail.attention.algebra import PerToken
from lib_indetail.attention.method import Method
from lib_indetail.attention.rows import RowCursor
from lib_indetail.bank.image_branch import RecordPass
from lib_indetail.bank.memory import BankMemory
from lib_indetail.inversion.inverter import Inverter, ddim_nodes
from lib_indetail.inversion.passes import image_passes
from lib_indetail.kept.cache import Cache
from lib_indetail.methods.plans import of_one
from lib_indetail.noise.chain import Chain
from lib_indetail.noise.schedule import NoiseSchedule, changed_noise, stepped_as_shown
from lib_indetail.run.generation import Generation
from lib_indetail.run.host import Change, Frame, Replaced, Texts
from lib_indetail.run.no_host import Quiet
from lib_indetail.run.plain_model import PlainModel
from lib_indetail.run.preparation import Read, prepare
from lib_indetail.run.prepared import Prepared
from lib_indetail.run.wish import Wish

SD15 = dict(image_size=32, model_channels=320, attention_resolutions=[4, 2, 1], num_res_blocks=2,
            channel_mult=[1, 2, 4, 4], num_heads=8, context_dim=768)
SCALE = 5.0


@dataclass(eq=False)
class Work:
    """`batch` images of `cells` x `cells` latent cells in `steps` DDIM steps, with an image prompt or without.

    Weights and conditionings are random; that changes no cost. `take` is a mask of the image prompt, `remember` what
    keeps its keys and values; `settings` are those with which it is read, where an arm has none of its own. `calls`
    counts rows of every UNet call.
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
    settings: Settings = field(default_factory=Settings)

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
        return self._sampled(self.read(self.chain, self.remember(self.bank, "picture")))

    def without_bank(self) -> torch.Tensor:
        """The chain is there, and nothing is kept of what is recorded."""
        return self._sampled(self.read(self.chain))

    def cold(self, settings: Settings | None = None) -> Callable[[], torch.Tensor]:
        """Nothing is there."""
        def run() -> torch.Tensor:
            memory = self.remember(Cache(lambda: 64 * 2**30), "picture")
            return self._sampled(self.inverted(settings or self.settings, memory))

        return run

    def over_all_levels(self, inversion: str) -> Callable[[], torch.Tensor]:
        """`cold` as the paper has it: a recorded level for each that is sampled at."""
        return self.cold(Settings(inversion=inversion, levels="all", nodes=self.nodes))

    def reference_only(self) -> torch.Tensor:
        """The cheapest form of its rule (fidelity 1): one row more at every step, which the cond rows of every block
        read."""
        chain = renoised_anew(Inverter(self.schedule), self.picture,
                              sorted(self.schedule.sigma(t) for t in self.timesteps), seed=1)
        return self._sampled(self.read(chain, settings=Settings(blocks="all", levels="all")),
                             Ruled(RULES["reference_only 1"], "all"))

    def prepare(self) -> None:
        """What `warm` and `without_bank` find."""
        self.chain = self.inverted(self.settings, None).chain
        self.warm()

    def inverted(self, settings: Settings, memory: BankMemory | None) -> Prepared:
        """From the picture's latent; with a memory also read ahead."""
        return prepare(Quiet(), _Model(self), self._wish(settings), self.picture,
                       Read(self.text[:1], self.text[:1]), memory)

    def _wish(self, settings: Settings) -> Wish:
        sigmas = tuple(self.schedule.sigma(t) for t in self.timesteps)
        frame = Frame(8 * self.cells, 8 * self.cells, self.steps)
        return Wish(settings=settings, text="", frame=frame, sigmas=sigmas, own=sigmas)

    def read(self, chain: Chain, memory: BankMemory | None = None, settings: Settings | None = None) -> Prepared:
        """An image prompt whose chain is there."""
        run = _Model(self).inside(self.text[:1], self.picture)
        settings = settings or self.settings
        return Prepared(settings, chain, self.picture, image_passes(settings, run, run), {}, memory,
                        self._wish(settings).levels(self.schedule))

    def generation(self, prepared: Prepared, method: Method | None = None) -> Generation:
        if method is None and self.take is not None:
            method = of_one(prepared.settings, self.take)
        return Generation(_Model(self), [prepared], prepared.settings, method=method)

    @torch.no_grad()
    def in_turn(self, timed: Callable[[Callable[[], object]], float]) -> list[float]:
        """Of each step warm, how many times plain it takes, measured one behind the other."""
        ratios = []
        with self.generation(self.read(self.chain, self.remember(self.bank, "picture"))) as generation:
            for number, t in enumerate(self.timesteps):
                calls = [lambda t=t: generation.evaluated(_Evaluation(self, self.noise, t)),
                         lambda t=t: self.guided(self.noise, t)]
                seconds = [timed(call) for call in calls[::1 if number % 2 else -1]][::1 if number % 2 else -1]
                ratios.append(seconds[0] / seconds[1])
        return ratios

    def read_by_rows(self, generation: Generation, t: int) -> torch.Tensor:
        """What the UNet makes of the rows in one evaluation, in which the cond rows read the image prompt."""
        return generation.evaluated(_Evaluation(self, self.noise, t, rows_alone=True))

    @torch.no_grad()
    def _sampled(self, prepared: Prepared | None, method: Method | None = None) -> torch.Tensor:
        if prepared is None:
            return self._denoised(lambda z, t: self.guided(z, t))
        with self.generation(prepared, method) as generation:
            return self._denoised(lambda z, t: generation.evaluated(_Evaluation(self, z, t)))

    def _denoised(self, evaluate: Callable[[torch.Tensor, int], torch.Tensor]) -> torch.Tensor:
        z = self.noise
        for t, after in zip(self.timesteps, [*self.timesteps[1:], 0], strict=True):
            z = stepped_as_shown(self.schedule, z, evaluate(z, t), self.schedule.sigma(t), self.schedule.sigma(after))
        return z

    def guided(self, z: torch.Tensor, t: int) -> torch.Tensor:
        cond, uncond = self.rows(z, t).chunk(2)
        return uncond + SCALE * (cond - uncond)

    def rows(self, z: torch.Tensor, t: int) -> torch.Tensor:
        """What the UNet makes of the cond rows, and behind them of the uncond rows."""
        self.calls.append(2 * len(z))
        timesteps = torch.full((2 * len(z),), t, device=self.device)
        return self.unet(torch.cat([z, z]), timesteps, context=self.context)


class _Model(PlainModel):
    """Counts the rows of its own calls."""

    def __init__(self, work: Work):
        super().__init__(work.unet, work.schedule)
        self._work = work

    @property
    def dtype(self) -> torch.dtype:
        return self._work.dtype

    def inside(self, text: torch.Tensor, clean: torch.Tensor) -> RecordPass:
        run = super().inside(text, clean)

        def counted(z, timesteps):
            self._work.calls.append(len(z))
            return run(z, timesteps.to(self._work.device))

        return counted


class _Evaluation:
    """See `run.host.Evaluation`; `rows_alone` gives the rows in the place of what guidance makes of them."""

    def __init__(self, work: Work, z: torch.Tensor, t: int, rows_alone: bool = False):
        self._z, self.timestep, self.sigma = z, t, work.schedule.sigma(t)
        self._run = work.rows if rows_alone else work.guided
        self.model = _Model(work)
        self.rows = RowCursor(["cond"] * work.batch + ["uncond"] * work.batch)

    def predict(self, *, spare_uncond: bool = False, texts: Texts | None = None,
                replaced: Replaced | None = None) -> torch.Tensor:
        return self._run(self._z, self.timestep)

    def changed(self, prediction: torch.Tensor, change: Change) -> torch.Tensor:
        return changed_noise(self._z / self.model.schedule.scale(self.sigma), prediction, self.sigma, change)

    def suspects(self) -> tuple[str, ...]:
        return ()


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
