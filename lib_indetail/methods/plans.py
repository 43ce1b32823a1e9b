"""The paper's plans, and which of them a row follows at a given moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lib_indetail.ask.settings import Settings
from lib_indetail.attention.algebra import PLAIN, PerToken, Plan
from lib_indetail.attention.method import Method
from lib_indetail.attention.rows import Role, Row
from lib_indetail.attention.sites import Site, Where
from lib_indetail.methods.mixing import CONCATENATED, Part, Phase, Stratified, mixed, shares
from lib_indetail.noise.window import Window

IMAGE = "image"  # recorded with the inversion text, read by cond rows
IMAGE_WITHOUT_TEXT = "image without text"  # the same latent recorded with the empty prompt, read by uncond rows


def stratified(bank: str, weight: float, keep: PerToken | None = None) -> Plan:
    """(1 - weight) A(Q, K, V) + weight A(Q, K_P, V_P): own and image keys in separate softmaxes (paper, equation 3)."""
    return mixed([Part(bank, 1.0, Stratified(weight), keep)]) or PLAIN


def concatenation(bank: str, strength: float = 1.0, keep: PerToken | None = None) -> Plan:
    """One softmax over own and image keys (paper, equation 1), the image's logits lowered by -log strength."""
    return mixed([Part(bank, strength, CONCATENATED, keep)]) or PLAIN


def replacement(bank: str, strength: float = 1.0, keep: PerToken | None = None) -> Plan:
    """(1 - strength) own + strength image: the image's keys and values in place of the own ones (as in RIVAL)."""
    return stratified(bank, strength, keep)


@dataclass(frozen=True, eq=False)
class Reader:
    """One image prompt, as the rows of a generation read it.

    `bank` is recorded with the inversion text, `without_text` with the empty prompt. `take` [keys] and `put` [queries]
    are its masks; `images` the images of the batch that it is for (None: all); `layer_weights` those of the layers that
    read it, by name (None: 1 in all). With the side "negative" the uncond rows alone read it, from `bank` (paper,
    section E).
    """

    settings: Settings
    bank: str = IMAGE
    without_text: str = IMAGE_WITHOUT_TEXT
    take: PerToken | None = None
    put: PerToken | None = None
    images: frozenset[int] | None = None
    layer_weights: Mapping[str, float] | None = None

    def is_for(self, image: int) -> bool:
        return self.images is None or image in self.images

    def weight_in(self, layer: str | None) -> float:
        """Of a layer, or the most of all."""
        if self.layer_weights is None:
            return 1.0
        return max(self.layer_weights.values()) if layer is None else self.layer_weights.get(layer, 0.0)

    def amount(self, u: float, role: Role) -> tuple[str, float]:
        """Which bank a row reads, and s_i: conflict-free guidance spares the uncond rows (paper, section 3.2)."""
        settings = self.settings
        if u not in Window(settings.start, settings.end) or role == "other" or not settings.acts:
            return self.bank, 0.0
        strength = settings.strength_at(u)
        if settings.side == "negative":
            return self.bank, strength if role == "uncond" else 0.0
        if role == "uncond":
            return self.without_text, strength * (1 - settings.guidance)
        return self.bank, strength

    def part(self, u: float, role: Role, share: float, layer: str | None = None) -> Part:
        bank, strength = self.amount(u, role)
        return Part(bank, strength * share * self.weight_in(layer), self._phase(u), self.take, self.put)

    def _phase(self, u: float) -> Phase:
        if u in Window(0.0, self.settings.replacement_until):
            return Stratified(1.0)
        is_stratified = u in Window(0.0, self.settings.stratified_until)
        return Stratified(self.settings.lambda_at(u)) if is_stratified else CONCATENATED


class InDetail(Method):
    """The paper's, of some image prompts. Rows that read the same have the same plan, the very object, and so have
    sites of the same weights."""

    def __init__(self, readers: Sequence[Reader]):
        self._readers = tuple(readers)
        self.where = tuple(dict.fromkeys(Where("self", each.settings.reading_blocks) for each in readers))
        self._u: float | None = None
        self._plans: dict[tuple, Plan | None] = {}

    def plan(self, u: float, row: Row, site: Site | None = None) -> Plan | None:
        """Without a site: as the one of the largest weights."""
        layer = site and site.name
        if u != self._u:
            self._u, self._plans = u, {}
        acting = tuple(number for number, reader in enumerate(self._readers)
                       if reader.is_for(row.image) and reader.amount(u, row.role)[1])
        key = row.role, acting, tuple(self._readers[number].weight_in(layer) for number in acting)
        if key not in self._plans:
            self._plans[key] = self._plan(u, row.role, [self._readers[number] for number in acting], layer)
        return self._plans[key]

    def banks(self, u: float) -> set[str]:
        """What rows of any kind will read there."""
        kinds = [Row(role, image) for role in ("cond", "uncond") for image in self._images()]
        return {bank for row in kinds if (plan := self.plan(u, row)) for bank in plan.banks}

    def _plan(self, u: float, role: Role, readers: Sequence[Reader], layer: str | None) -> Plan | None:
        parts = (reader.part(u, role, share, layer)
                 for reader, share in zip(readers, shares([reader.settings.weight for reader in readers]), strict=True))
        return mixed(list(parts))

    def _images(self) -> set[int]:
        return {0}.union(*(reader.images for reader in self._readers if reader.images is not None))


def of_one(settings: Settings, take: PerToken | None = None) -> InDetail:
    """Of one image prompt; `take` says how far each of its tokens may be read."""
    return InDetail([Reader(settings, take=take)])
