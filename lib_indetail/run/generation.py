"""Prepared image prompts at work: tint the noise, hook the UNet, tell every evaluation its rows, match colours.

    with Generation(model, prepared, shared) as generation:
        x = generation.started(x, sigma)      # unit noise of a pass that begins with it
        ...                                   # the host samples, and for each of its evaluations:
        prediction = generation.evaluated(evaluation)

Nothing is left on the UNet afterwards, whatever was raised.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch

from lib_indetail.ask.settings import Settings
from lib_indetail.attention.hooks import InDetailHooks
from lib_indetail.attention.method import Beside, Method
from lib_indetail.attention.received import Watcher
from lib_indetail.errors import CannotAct
from lib_indetail.methods.colour import Colour
from lib_indetail.methods.detail import Detail
from lib_indetail.methods.plans import InDetail, Reader
from lib_indetail.methods.tint import tint_all
from lib_indetail.noise.finite import ADAIN, still_finite
from lib_indetail.noise.window import FULL_NOISE, position
from lib_indetail.run.host import Change, Evaluation, Model
from lib_indetail.run.prepared import Prepared

Anew = Callable[[Model, Sequence[Prepared]], Sequence[Prepared]]
LEFT = "{someone} or a model switch has put a different UNet in its place"
UNMET = "{someone} has put something else in the place of the attention of {0}"


class Generation:
    """`prepared` image prompts in one sampling call with `model`; `shared` are the settings that all have in common.

    `from_noise` says that the pass starts from pure noise; otherwise its first evaluation is its start. Where another
    model takes over within the pass, `anew` prepares them for it. `go_on(error)` decides whether an evaluation in which
    InDetail cannot act is repeated without it, and all that follow are left alone. Another `method` may stand in the
    place of the paper's, or one `of_readers`; others than `prepared` may be `acting` on latents; `watch` writes down
    what image prompts receive.
    """

    def __init__(self, model: Model, prepared: Sequence[Prepared], shared: Settings, *, from_noise: bool = True,
                 anew: Anew | None = None, go_on: Callable[[CannotAct], bool] = lambda error: False,
                 method: Method | None = None, of_readers: Callable[[Sequence[Reader]], Method] | None = None,
                 acting: Sequence[Prepared] | None = None, watch: Watcher | None = None,
                 detail: Callable[[Sequence[Prepared]], Detail] = Detail):
        self._model = self._begun_with = model
        self._prepared, self._shared = list(prepared), shared
        self._anew, self._go_on, self._given, self._of_readers, self.watch = anew, go_on, method, of_readers, watch
        self._method = self._method_for(model, self._prepared)
        self._first: float | None = FULL_NOISE if from_noise else None
        self._on_latents = self._prepared if acting is None else acting
        self._colour, self._detail = Colour(self._on_latents, shared.colour_until), detail(self._on_latents)
        self._hooks: InDetailHooks | None = None
        self._all_met = False

    def __enter__(self) -> Generation:
        self._install(self._model)
        return self

    def __exit__(self, *_) -> None:
        self._remove()

    def widened(self, x: torch.Tensor) -> torch.Tensor:
        """A pass's latents [n, C, h, w], and behind them those of the images that the method wants `beside`."""
        return torch.cat([x, x[[each.like for each in self.beside]]]) if self.beside else x

    @property
    def beside(self) -> Sequence[Beside]:
        return self._method.beside

    def spread(self, noise: torch.Tensor) -> torch.Tensor:
        """Noise of a step [n, C, h, w], those beside among them, as the method has it."""
        return self._method.spread(noise)

    def started(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """Initial unit noise [n, C, h, w] with the pictures' channel statistics at its level."""
        x = self._method.started(x, sigma)
        tinted = tint_all(x, self._on_latents, lambda each: each.chain.shown(self._model.schedule)(sigma),
                          lambda settings: settings.strength_at(settings.start) * settings.adain)
        return still_finite(x, tinted, ADAIN)

    def evaluated(self, evaluation: Evaluation) -> torch.Tensor:
        """What the host's evaluation predicts, with the image prompts at work in it. Raises CannotAct."""
        if self._hooks is None:
            return evaluation.predict()
        try:
            self._follow(evaluation.model)
            return self._acting(evaluation)
        except CannotAct as error:
            error = error.blamed(evaluation.suspects()) if error.is_of_someone else error
            if not self._go_on(error):
                raise error from None
        self._remove()
        return evaluation.predict()

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """What goes through the UNet meanwhile is somebody else's, and is left alone."""
        with self._hooks.asleep() if self._hooks else contextlib.nullcontext():
            yield

    def _acting(self, evaluation: Evaluation) -> torch.Tensor:
        if self._first is None:
            self._first = evaluation.timestep
        u = position(evaluation.timestep, self._first)
        with self._hooks.evaluation(evaluation.sigma, u, evaluation.rows) as rows:
            rewritten = self._method.rewritten
            prediction = evaluation.predict(spare_uncond=u < self._shared.control_uncond_from,
                                            texts=rewritten and partial(rewritten, u), replaced=self._hooks.replaced)
            if rows.cond_left > 0:
                raise CannotAct(LEFT)
            if not self._all_met and self._hooks.unmet:
                raise CannotAct(UNMET.format(self._hooks.unmet[0], someone="{someone}"))
        self._all_met = True
        changes = self._changes(u)
        return evaluation.changed(prediction, partial(_in_turn, changes)) if changes else prediction

    def _changes(self, u: float) -> list[Change]:
        """Of predicted clean latents: what they are made of, then their colours, so that these are as asked for."""
        return [partial(change, u=u) for acts, change in (
            (self._detail.acts(u), self._detail.drawn), (self._colour.acts(u), self._colour.matched)) if acts]

    def _follow(self, model: Model) -> None:
        """To a model that has taken over: a refiner, or one that somebody has put in its place."""
        if model.unet is self._model.unet:
            return
        model.refuse()
        self._install(model)

    def _install(self, model: Model) -> None:
        self._remove()
        prepared = self._prepared
        if model.unet is not self._begun_with.unet and self._anew:
            prepared = self._anew(model, prepared)
        branches = {bank: branch for each in prepared for bank, branch in each.branches(model).items()}
        self._method = self._method_for(model, prepared)
        self._hooks = InDetailHooks(model.unet, branches, self._method, model.attention, self.watch).__enter__()
        self._model, self._all_met = model, False

    def _method_for(self, model: Model, prepared: Sequence[Prepared]) -> Method:
        return self._given or (self._of_readers or InDetail)([each.reader(model.unet) for each in prepared])

    def _remove(self) -> None:
        if self._hooks is not None:
            self._hooks.remove()
            self._hooks = None


def _in_turn(changes: Sequence[Change], clean: torch.Tensor) -> torch.Tensor:
    for change in changes:
        clean = change(clean)
    return clean
