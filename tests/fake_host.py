"""A host that answers the core's questions and nothing else: a small UNet, a sampler of a few steps, a page of none.

    host = FakeHost(tmp_path)
    made = host.generate({"image": picture, "nodes": 4}, prompts=["a star"])

It sends rows in one call or in several, counts them or tells them, and may put another model in the place of the first
one within a pass, as hosts do.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lib_indetail.ask.options import OPTIONS
from lib_indetail.attention.method import Beside
from lib_indetail.attention.rows import Row, RowCursor, ToldRows
from lib_indetail.errors import BadSetting, CannotAct
from lib_indetail.inversion.inverter import ddim_nodes
from lib_indetail.inversion.passes import as_model
from lib_indetail.noise.schedule import changed_noise, stepped_as_shown
from lib_indetail.run.host import Frame, Token
from lib_indetail.run.no_host import Quiet
from lib_indetail.run.owner import Owner
from lib_indetail.run.plain_model import PlainModel
from tests.small import randn, small_model

SIZE = 64  # pixels a side
PAPER = {"inversion": "DDIM", "nodes": 4, "levels": "all"}
FRAME = Frame(SIZE, SIZE, 4)


class FakeModel(PlainModel):
    """`name` stands for its weights. `wrong` is why it cannot be used."""

    def __init__(self, name: str = "first", wrong: str = "", **changes):
        made = small_model(**changes)
        super().__init__(made.unet, made.schedule)
        self.name, self.wrong = name, wrong
        self.texts: list[str] = []
        self.encoded = 0
        self.quiet = 0
        self.called: list[int] = []  # rows of every call that goes through `unet(...)`
        self.own: list[int] = []  # rows of every own call from outside
        self.recorded: list[float] = []  # timesteps of every own call within another
        made.unet.register_forward_pre_hook(lambda module, args: self.called.append(len(args[0])))

    def refuse(self) -> None:
        if self.wrong:
            raise CannotAct(self.wrong)

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        self.encoded += 1
        cells = torch.nn.functional.avg_pool2d(pictures, 8)
        return torch.cat([cells, cells.mean(1, keepdim=True)], 1)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents[:, :3].repeat_interleave(8, -1).repeat_interleave(8, -2)

    def text(self, prompt: str, frame: Frame) -> torch.Tensor:
        self.texts.append(prompt)
        return randn(1, 7 * (1 + prompt.count("long")), 32, seed=sum(map(ord, prompt + self.name)))

    def tokens(self, prompt: str) -> Sequence[Token]:
        return [Token(word, (place,)) for place, word in enumerate(prompt.split(), 1)]

    def inside(self, text: torch.Tensor, clean: torch.Tensor) -> Callable:
        run = super().inside(text, clean)
        return lambda z, timesteps: self.recorded.append(float(timesteps[0])) or run(z, timesteps)

    def outside(self, text: torch.Tensor, clean: torch.Tensor) -> Callable:
        run = as_model(super().inside(text, clean))
        return lambda z, t: self.own.append(len(z)) or run(z, t)

    @contextlib.contextmanager
    def ready(self) -> Iterator[None]:
        self.quiet += 1
        yield

    def makes_latents(self) -> str:
        return self.name

    makes_noise = makes_latents


@dataclass
class FakePass:
    """A sampling call of DDIM steps over `nodes`, the highest first."""

    host: FakeHost
    nodes: list[int]
    frame: Frame = FRAME
    title: str = ""
    from_noise: bool = True
    batch: range = range(1)
    prompts: Sequence[str] = ("a star",)
    negatives: Sequence[str] = ("",)
    inpainted: tuple[float, float, float, float] | None = None
    known: Any = None
    conditioning: torch.Tensor | None = None
    has_structure: bool = False
    switch_to: FakeModel | None = None
    switch_at: int = 0
    told: Callable | None = None
    apart: Callable = contextlib.nullcontext
    predictions: list[torch.Tensor] = field(default_factory=list)
    beside: Sequence[Beside] = ()
    calls: int = 1
    way: Any = None

    def texts(self, own: Sequence[str], with_prompts: bool = False) -> list[str]:
        """Of all images: those of the batch have one, or each its own."""
        own = [own[number % len(own)] for number in range(len(self.batch))]
        return [*own, *(each.prompt if with_prompts and each.prompt is not None else own[each.like]
                        for each in self.beside)]

    def styled(self, prompt: str) -> str:
        return prompt

    def take_beside(self, label: str, prompt: str) -> None:
        if "AND" in prompt:
            raise BadSetting("must be without AND.", label, prompt)

    def levels(self, model: FakeModel) -> tuple[list[float], list[float]]:
        sigmas = [model.schedule.sigma(t) for t in self.nodes]
        return sigmas, sigmas[:self.switch_at] if self.switch_to else sigmas

    @contextlib.contextmanager
    def evaluations(self, told: Callable, apart: Callable) -> Iterator[None]:
        self.told, self.apart = told, apart
        try:
            yield
        finally:
            self.told, self.apart = None, contextlib.nullcontext

    def will_sample(self, calls: int, frames: int) -> None:
        self.calls = calls

    def between_seeds(self, seeds: Sequence[int], places: Sequence[float]) -> None:
        self.way = seeds, places

    def pixels(self, latents: torch.Tensor) -> torch.Tensor | None:
        if self.title != "first pass":
            return None
        return self.host.model().decode(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        return torch.cat([randn(1, 4, self.frame.height // 8, self.frame.width // 8, seed=seed) for seed in seeds])

    def sample(self, x: torch.Tensor, beside: Sequence[Beside] = (), spread: Callable = lambda noise: noise
               ) -> torch.Tensor:
        self.beside = beside
        for step, (t, after) in enumerate(zip(self.nodes, [*self.nodes[1:], 0], strict=True)):
            if self.switch_to is not None and step == self.switch_at:
                self.host.at_work = self.switch_to
            evaluation = FakeEvaluation(self, x, t)
            noise = self.told(evaluation) if self.told else evaluation.predict()
            self.predictions.append(noise)
            schedule = self.host.at_work.schedule
            x = stepped_as_shown(schedule, x, noise, schedule.sigma(t), schedule.sigma(after))
        return x


def as_long(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    """Of texts [1, tokens, D] one batch, as hosts make it: shorter ones have their last token again."""
    longest = max(row.shape[1] for row in rows)
    return torch.cat([torch.cat([row, row[:, -1:].expand(-1, longest - row.shape[1], -1)], 1) for row in rows])


class FakeEvaluation:
    """Cond rows, then uncond rows, in calls of `host.rows_a_call`; told call by call where `host.tells` is set."""

    def __init__(self, this: FakePass, x: torch.Tensor, t: int):
        self._pass, self._x, self.timestep = this, x, t
        self.model, self.host = this.host.at_work, this.host
        self.sigma = self.model.schedule.sigma(t)
        self._rows = [Row(role, image) for role in ("cond", "uncond") for image in range(len(x))]
        self.rows = ToldRows(len(x)) if self.host.tells else RowCursor(self._rows)

    def text(self, prompt: str) -> torch.Tensor:
        return self.model.text(prompt, self._pass.frame)

    def predict(self, *, spare_uncond: bool = False, texts: Callable | None = None,
                replaced: Callable | None = None) -> torch.Tensor:
        self.host.spared.append(spare_uncond)
        cond, uncond = (as_long([self.model.text(text, self._pass.frame) for text in of_each]) for of_each in (
            self._pass.texts(self._pass.prompts, True), self._pass.texts(self._pass.negatives)))
        if texts:
            cond, uncond = texts(cond, uncond, self.text)
        if self.host.foreign:
            with self._pass.apart():
                self.model.unet(self._x[:1], torch.tensor([5.0]), context=cond[:1])
        tokens = math.lcm(cond.shape[1], uncond.shape[1])  # whole texts repeated, which changes no attention
        rows = torch.cat([text.repeat(1, tokens // text.shape[1], 1) for text in (cond, uncond)])
        answer = self._called(torch.cat([self._x, self._x]), rows)
        self.host.rows_answered.append(answer)
        c, u = answer.chunk(2)
        return u + 4.0 * (c - u)

    def _called(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        count, parts = self.host.rows_a_call or len(x), []
        for start in range(0, len(x), count):
            part = slice(start, start + count)
            if self.host.tells:
                self.rows.tell(self._rows[part])
            unet = self.host.instead or self.model.unet
            parts.append(unet(x[part], torch.full((len(x[part]),), float(self.timestep)), context=context[part]))
        return torch.cat(parts)

    def changed(self, prediction: torch.Tensor, change: Callable) -> torch.Tensor:
        free = None if self._pass.known is None else self._pass.known.free
        return changed_noise(self._x / self.model.schedule.scale(self.sigma), prediction, self.sigma, change, free)

    def suspects(self) -> tuple[str, ...]:
        return ("sd-webui-other",)


@dataclass
class FakeJob:
    """A generation. Several may share `lines`, as copies of one do."""

    state: Any = None
    lines: dict[str, Any] = field(default_factory=dict)
    said: list[tuple[int, str]] = field(default_factory=list)
    inner: bool = False
    elsewhere: str = ""
    refused: Exception | None = None
    run: Callable | None = None

    def write(self, lines: Mapping[str, Any]) -> None:
        self.lines.clear()
        self.lines.update(lines)

    def add(self, lines: Mapping[str, Any]) -> None:
        self.lines.update(lines)

    def say(self, text: str, level: int = logging.INFO) -> None:
        self.said.append((level, text))

    def is_inner(self) -> bool:
        return self.inner

    def refuse_sampling_elsewhere(self) -> None:
        if self.elsewhere:
            raise CannotAct(f"{self.elsewhere} samples in the host's place")

    def refuse(self, error: Exception) -> None:
        self.refused = error

    def arm(self, run: Callable | None) -> None:
        self.run = run

    def made_without_us(self) -> str:
        return "made without the image prompt"

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.said]


@dataclass
class Made:
    """What came of a generation: latents of each pass, and all that was said."""

    job: FakeJob
    latents: list[torch.Tensor]
    extras: dict[str, Any]
    passes: list[FakePass]


class FakeHost(Quiet):
    """`options` stand above the defaults. `instead` is called in the UNet's place, `foreign` makes each evaluation send
    somebody's own row through the UNet; `stop_after` interrupts before so many own calls were made."""

    def __init__(self, folder: Path, **options: Any):
        super().__init__(folder=folder)
        self.at_work = self.loaded = FakeModel()
        self.options = options
        self.doing: list[str | None] = []
        self.told: list[str] = []
        self.steps: list[tuple[int, int]] = []
        self.asked, self.stop_after = 0, None
        self.tells, self.rows_a_call, self.foreign, self.instead = False, 0, False, None
        self.spared: list[bool] = []
        self.rows_answered: list[torch.Tensor] = []
        self.kept_free: list[int] = []
        self.owner = Owner(self)

    def model(self) -> FakeModel:
        return self.at_work

    def keep_free(self, size: int) -> contextlib.AbstractContextManager:
        self.kept_free.append(size)
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def progress(self, doing: str) -> Iterator[Callable[[int, int], None]]:
        self.told.append(doing)
        yield lambda done, total: self.steps.append((done, total))

    def interrupted(self) -> bool:
        self.asked += 1
        return self.stop_after is not None and self.asked > self.stop_after

    def tell(self, doing: str | None) -> None:
        self.doing.append(doing)

    def option(self, name: str) -> Any:
        return self.options.get(name, OPTIONS[name].default)

    def generate(self, *args: Any, seeds: Sequence[int] = (1,), batches: int = 1, job: FakeJob | None = None,
                 passes: Sequence[Mapping[str, Any]] = ({},), change: Callable | None = None, **common: Any) -> Made:
        """As hosts go about it. `passes` are what differs in each from a pass of four steps, `change(job, args)` what
        another script does between the beginning and the sampling."""
        job = job or FakeJob()
        self.owner.begin(job, args)
        latents, made = [], []
        for number in range(batches if job.refused is None else 0):
            self.owner.begin_batch(job)
            args = change(job, args) if change else args
            batch = range(number * len(seeds), (number + 1) * len(seeds))
            for changes in passes:
                self.at_work = self.loaded
                this = FakePass(self, **{"nodes": ddim_nodes(4)[::-1], "batch": batch, **common, **changes})
                self.owner.arm(job, args)
                x = torch.cat([randn(1, 4, this.frame.height // 8, this.frame.width // 8, seed=seed + 100 * number)
                               for seed in seeds])
                run, job.run = job.run, None
                with torch.no_grad():
                    latents.append(run(this, x, this.sample) if run else this.sample(x))
                made.append(this)
            self.owner.end_batch(job)
        return Made(job, latents, self.owner.finish(job), made)
