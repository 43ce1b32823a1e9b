"""A generation of the WebUI, `p`, as the core asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from lib_indetail.ask import infotext
from lib_indetail.attention.method import Beside
from lib_indetail.errors import BadPicture, BadSetting, CannotAct
from lib_indetail.hosts.webui import replaced_sampling
from lib_indetail.hosts.webui.more_images import SameNoise, noise_for_more, of_more, texts_for_more
from lib_indetail.hosts.webui.nested_generations import depth
from lib_indetail.hosts.webui.noise_between import between, noise_between
from lib_indetail.hosts.webui.progress import RestOfJob
from lib_indetail.hosts.webui.sampling_pass import SamplingPass
from lib_indetail.hosts.webui.saying import say
from lib_indetail.run.host import Change, Pass, Sample
from lib_indetail.run.session import Session

_METHODS = ("sample", "sample_img2img")
_OURS = "_indetail"
Run = Callable[[Pass, torch.Tensor, Sample], torch.Tensor]


class Job:
    """View of a `p`; what the core knows of it stands on it under one name."""

    def __init__(self, p):
        self._p = p

    @property
    def state(self) -> Session | None:
        return getattr(self._p, _OURS, None)

    @state.setter
    def state(self, session: Session) -> None:
        setattr(self._p, _OURS, session)

    def write(self, lines: Mapping[str, Any]) -> None:
        """Other generations may share the dict."""
        for label in infotext.LABELS:
            self._p.extra_generation_params.pop(label, None)
        self.add(lines)

    def add(self, lines: Mapping[str, Any]) -> None:
        self._p.extra_generation_params.update(lines)

    def say(self, text: str, level: int) -> None:
        say(self._p, text, level)

    def is_inner(self) -> bool:
        return depth.of_generations > 1

    def resize(self, width: int, height: int) -> None:
        self._p.width, self._p.height = width, height

    def refuse_sampling_elsewhere(self) -> None:
        replaced_sampling.refuse_sampling_elsewhere(self._p)

    def refuse(self, error: Exception) -> None:
        replaced_sampling.refuse_to_sample(self._p, error)

    def made_without_us(self) -> str:
        return replaced_sampling.made_without_us(self._p)

    def arm(self, run: Run | None) -> None:
        """The sampler's methods are replaced on the instance, so that copies of a `p` know nothing of it; whichever is
        called first takes both away again."""
        sampler = self._p.sampler
        if sampler is None:  # behind a hires fix
            return
        disarm(sampler)
        if run is None:
            return
        originals = {name: getattr(sampler, name) for name in _METHODS}
        setattr(sampler, _OURS, {name: vars(sampler)[name] for name in _METHODS if name in vars(sampler)})
        for name, original in originals.items():
            setattr(sampler, name, _armed(sampler, run, original, from_noise=name == "sample"))


def _armed(sampler, run: Run, original: Callable, from_noise: bool) -> Callable:
    def indetail_sample(p, x, *args, **kwargs):
        disarm(sampler)

        this, again = SamplingPass(p, x, from_noise, kwargs), SameNoise(p.rng)
        rest = RestOfJob(p.sampler)

        def sample(latents: torch.Tensor, beside: Sequence[Beside], spread: Change) -> torch.Tensor:
            if again.begin():
                rest.another()
            if this.way:
                noise = between(args[0], this.noise(this.way[0]), this.way[1])
                with noise_between(p, this.others, *this.way):
                    return original(p, latents, noise, *args[1:], **kwargs)
            if not beside:
                return original(p, latents, *args, **kwargs)
            more = partial(of_more, count=len(x), beside=beside, encode=this.encoded)
            with noise_for_more(p, beside, this.others, spread), texts_for_more(p, more):
                return original(p, latents, *map(more, args), **{name: more(each) for name, each in kwargs.items()})

        try:
            with rest:
                return run(this, x, sample)
        except (BadSetting, BadPicture, CannotAct) as error:
            raise replaced_sampling.refused(p, error) from None

    return indetail_sample


def disarm(sampler) -> None:
    """Give a sampler the methods back that it had."""
    before = vars(sampler).pop(_OURS, None)
    if before is not None:
        for name in _METHODS:
            vars(sampler).pop(name, None)
        vars(sampler).update(before)
