"""One pass of a generation, sampled by its host with the image prompts that are asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch

from lib_indetail.ask.interpolating import MORPH, PICTURES
from lib_indetail.ask.settings import Settings
from lib_indetail.errors import BadSetting, CannotAct, Interrupted
from lib_indetail.run.adaptive import explored, seen_by
from lib_indetail.run.cached_preparation import Preparer
from lib_indetail.run.extras import reconstruction
from lib_indetail.run.generation import Generation
from lib_indetail.run.host import Host, Model, Pass, Sample
from lib_indetail.run.job import Job
from lib_indetail.run.prepared import Prepared
from lib_indetail.run.session import Session
from lib_indetail.run.strips import AtPlace, Frames, Strips
from lib_indetail.run.wish import Wish
from lib_indetail.run.wishes import is_wanted_in, wishes

LEVELS_AT_ONCE = 2  # of each bank: the one that is read, and the one that comes
STRUCTURE = "structure-guided"
NO_STRUCTURE = "the task is structure-guided, but no ControlNet unit is active: nothing gives the structure"


class Sampled:
    """`Sampled(...)(pass, x, sample)` is the host's sampling call with the session's image prompts.

    Raises BadPicture and CannotAct; where the person wants it so (`go_on`), it samples without them instead.
    """

    def __init__(self, host: Host, job: Job, session: Session, preparer: Preparer,
                 go_on: Callable[[CannotAct], bool]):
        self._host, self._job, self._session, self._preparer, self._go_on = host, job, session, preparer, go_on

    def __call__(self, this: Pass, x: torch.Tensor, sample: Sample) -> torch.Tensor:
        model, acts = self._host.model(), False
        try:
            strips, wished, prepared = self._prepared(this, model)
            ends = self._ends(strips, model, prepared) if strips else []
            begin = partial(self._begun, this, model, wished, prepared, x)
            if strips or prepared:
                acts, (generation, begun) = True, begin(strips)
        except Interrupted:
            return sample(x, (), unchanged)
        except CannotAct as error:
            if not self._go_on(error):
                raise
        self._session.passed = True
        if not acts:
            self._host.tell("sampling")
            return sample(x, (), unchanged)
        self._host.tell(strips.doing if strips else "sampling")
        if not (strips and strips.beside):
            return self._with(this, model, generation, begun, prepared, sample)[:len(x)]
        this.will_sample(strips.calls, self._settings.frames_shown)
        frames = strips.frames(self._with(this, model, generation, begun, prepared, sample), ends)
        if strips.calls > 1 and not self._host.interrupted():
            frames = self._explored(this, model, frames,
                                    lambda more: self._with(this, model, *begin(more), prepared, sample))
        return self._shown(this, frames)

    @property
    def _settings(self) -> Settings:
        return self._session.request.settings

    def _prepared(self, this: Pass, model: Model) -> tuple[Strips | None, Sequence[Wish], Sequence[Prepared]]:
        """What acts in this pass: strips, and image prompts, which are prepared."""
        settings, is_wanted = self._settings, self._is_wanted(this)
        if is_wanted or settings.interpolates:
            model.refuse()
        strips = self._strips(this) if settings.interpolates else None
        if not is_wanted and settings.interpolate not in PICTURES:
            return strips, [], []
        wished = wishes(self._session.request, this, model, self._say)
        prepared = self._preparer.prepare_all(model, wished)
        self._tell_of(prepared)
        return strips, wished, prepared

    def _begun(self, this: Pass, model: Model, wished: Sequence[Wish], prepared: Sequence[Prepared], x: torch.Tensor,
               strips: Strips | None) -> tuple[Generation, torch.Tensor]:
        """Image prompts for a sampling call, and the latents that it begins with."""
        generation = self._generation(this, model, wished, strips.reading(prepared) if strips else prepared, strips)
        begun = self._widened(this, generation, x)
        return generation, generation.started(begun, this.levels(model)[0][0]) if this.from_noise else begun

    def _explored(self, this: Pass, model: Model, first: Frames, make: Callable[[Strips], torch.Tensor]) -> Frames:
        """All frames of strips with adaptive places, of which the first ones were made."""
        tried = self._settings.to_try

        def one_more(ts: Sequence[Sequence[float]], number: int) -> Frames | None:
            strips = Strips(self._settings, this.batch, ts)
            self._host.tell(f"sampling image {number} of {tried}")
            made = strips.frames(make(strips))
            return None if self._host.interrupted() else made

        return explored(first, one_more, seen_by(self._host, model), self._settings.frames, tried)

    def _widened(self, this: Pass, generation: Generation, x: torch.Tensor) -> torch.Tensor:
        """With the latents of images beside; some have noise of their own."""
        wide = generation.widened(x)
        own = {number: each.seed for number, each in enumerate(generation.beside, len(x)) if each.seed is not None}
        if own:
            wide[list(own)] = this.noise(list(own.values())).to(wide)
        return wide

    def _strips(self, this: Pass) -> Strips:
        settings = self._settings
        if not (this.from_noise or this.title):
            raise BadSetting("makes strips in txt2img alone.", "Interpolate", settings.interpolate)
        for label, prompt in (("Prompt B", settings.prompt_b), ("Guide prompt", settings.guide_prompt)):
            if prompt:
                this.take_beside(label, prompt)
        if this.title.startswith("second"):
            strips = AtPlace(settings, this.batch, self._session.places, self._session.frame)
            if strips.seeds:
                this.between_seeds(strips.seeds, self._session.places)
            return strips
        sigmas, own = this.levels(self._host.model())
        if settings.is_adaptive and len(own) < len(sigmas):
            raise BadSetting("cannot be found where a refiner takes over within the pass.", "Adaptive places",
                             settings.places)
        return Strips(settings, this.batch)

    def _ends(self, strips: Strips, model: Model, prepared: Sequence[Prepared]) -> list[torch.Tensor]:
        """What a morph's strips begin and end with: the pictures, as the model makes them."""
        if strips.kind != MORPH or not strips.beside:
            return []
        return [reconstruction(self._host, model, each)[1] for each in prepared]

    def _shown(self, this: Pass, frames: Frames) -> torch.Tensor:
        """The first frame of each strip is the host's own image; the others are kept for it, which gives them the same
        second pass, if there is one."""
        self._session.frames = replace(frames, pixels=this.pixels(frames.latents))
        self._session.frame, self._session.places = 0, [ts[0] for ts in frames.ts]
        return frames.latents[:, 0]

    def _with(self, this: Pass, model: Model, generation: Generation, x: torch.Tensor, prepared: Sequence[Prepared],
              sample: Sample) -> torch.Tensor:
        extras = self._session.extras
        extras.before(self._host, model, prepared, this.title)
        with self._host.keep_free(held(prepared)), generation, \
                this.evaluations(generation.evaluated, generation.apart):
            samples = sample(x, generation.beside, generation.spread)
        extras.after(prepared, this.title, generation.watch)
        return samples

    def _generation(self, this: Pass, model: Model, wished: Sequence[Wish], prepared: Sequence[Prepared],
                    strips: Strips | None) -> Generation:
        around = {"of_readers": partial(strips.method, strips.phases(this, model), model, prepared),
                  "acting": strips.acting(prepared)} if strips else {}
        return Generation(model, prepared, self._settings, from_noise=this.from_noise,
                          anew=partial(self._anew, wished), go_on=self._go_on, watch=self._session.extras.watcher(),
                          **around)

    def _anew(self, wished: Sequence[Wish], model: Model, prepared: Sequence[Prepared]) -> list[Prepared]:
        return [self._preparer.on_another(model, each, wish) for each, wish in zip(prepared, wished, strict=True)]

    def _is_wanted(self, this: Pass) -> bool:
        """Whether image prompts act in this pass. What is not as it was meant is said, once for a generation."""
        request = self._session.request
        if not is_wanted_in(this, request.settings):
            self._say(f"left out of the {this.title}, as set")
            return False
        if this.title.startswith("second") or this.batch.start:
            return True
        if request.task == STRUCTURE and not this.has_structure:
            self._say(NO_STRUCTURE, logging.WARNING)
        for prompt in request.prompts:
            for note in prompt.notes:
                self._say(f"image prompt {prompt.number}: {note}", logging.WARNING)
        return True

    def _tell_of(self, prepared: Sequence[Prepared]) -> None:
        """What it took; of which image prompt, where there are several."""
        if len(prepared) == 1:
            self._say(prepared[0].note)
        elif prepared:
            self._say("; ".join(f"image prompt {each.number}: {each.note}" for each in prepared))

    def _say(self, text: str, level: int = logging.INFO) -> None:
        self._job.say(text, level)


def unchanged(noise: torch.Tensor) -> torch.Tensor:
    return noise


def held(prepared: Sequence[Prepared]) -> int:
    """Bytes that keys and values take on the device while a pass is sampled."""
    return LEVELS_AT_ONCE * sum(each.memory.level_bytes for each in prepared if each.memory)
