"""Several image prompts in whole generations with the embedded model, and what belongs to each."""

from __future__ import annotations

import dataclasses
from functools import partial

import pytest
import torch

from embedded.demo import picture_of, unseen
from embedded.generate import Request, generate, prepare
from lib_indetail.ask.depth import layer_weights, profile
from lib_indetail.ask.settings import Settings
from lib_indetail.attention.layers import self_attention_layers
from lib_indetail.attention.rows import Row
from lib_indetail.attention.sites import Site, laid
from lib_indetail.errors import BadSetting
from lib_indetail.inversion.passes import image_passes
from lib_indetail.methods.colour import Colour
from lib_indetail.methods.plans import IMAGE, InDetail
from lib_indetail.methods.tint import tint_all
from lib_indetail.noise.adain import adain
from lib_indetail.noise.mask import Mask
from lib_indetail.noise.schedule import changed_clean, changed_noise
from lib_indetail.pictures.convert import picture_tensor
from lib_indetail.run.prepared import shown_at
from lib_indetail.run.wishes import images_of
from tests.small import randn

REQUEST = Request("a star", seeds=(5, 6, 7), steps=4)
SETTINGS = Settings(nodes=6)
LEFT = torch.zeros(16, 16)
LEFT[:, :8] = 1


@pytest.fixture(scope="module")
def pictures(embedded):
    scenes = unseen(1, "circle", "dotted"), unseen(2, "heart", "striped")
    return [prepare(embedded, embedded.encode(picture_tensor(picture_of(scene))), "a star", SETTINGS)
            for scene in scenes]


def distance(a, b):
    return float((a - b).abs().max())


def beside(image, number=1, take=None, put=None, images=None, **settings):
    settings = dataclasses.replace(image.settings, **settings)
    return dataclasses.replace(image, settings=settings, number=number, take=take, put=put, images=images)


@pytest.mark.parametrize("stratified_until", [0.0, 0.5, 1.0])
def test_two_copies_at_half_weight_equal_one_at_full(embedded, pictures, stratified_until):
    whole = generate(embedded, REQUEST, beside(pictures[0], stratified_until=stratified_until))
    halves = [beside(pictures[0], number, weight=0.5, stratified_until=stratified_until) for number in (1, 2)]
    assert distance(generate(embedded, REQUEST, halves), whole) < 1e-5 * whole.abs().max() + 1e-5
    assert distance(generate(embedded, REQUEST, halves[:1]), whole) > 1e-2


def test_each_of_two_pictures_counts(embedded, pictures):
    both = [beside(pictures[0]), beside(pictures[1], 2)]
    results = [generate(embedded, REQUEST, images) for images in (both, both[:1], both[1:], both[::-1])]
    assert min(distance(results[0], other) for other in results[1:3]) > 1e-1
    assert distance(results[0], results[3]) < 1e-4


def test_one_per_image_gives_every_image_what_it_would_have_alone(embedded, pictures):
    spread = [beside(pictures[0], images=frozenset({0})), beside(pictures[1], 2, images=frozenset({1}))]
    with torch.backends.mkldnn.flags(enabled=False):
        together = generate(embedded, REQUEST, spread)
        alone = [generate(embedded, dataclasses.replace(REQUEST, seeds=(seed,)), image)
                 for seed, image in zip(REQUEST.seeds, (pictures[0], pictures[1], None), strict=True)]
    assert distance(together, torch.cat(alone)) < 1e-4


@pytest.mark.parametrize(("spread", "batch", "expected"), [
    ("all on every image", range(3), [None, None]),
    ("one per image", range(3), [{0}, {1}]), ("one per image", range(1, 3), [set(), {0}]),
    ("cycled", range(3), [{0, 2}, {1}]), ("cycled", range(3, 5), [{1}, {0}])])
def test_pictures_are_spread_over_all_images_not_over_each_batch(spread, batch, expected):
    assert [images_of(place, 2, spread, batch) for place in range(2)] == expected


def test_an_output_mask_of_nothing_is_bit_equal_to_plain(embedded, pictures):
    plain = generate(embedded, REQUEST)
    nothing = beside(pictures[0], put=torch.zeros(16, 16), stratified_until=0.5)
    assert torch.equal(generate(embedded, REQUEST, nothing), plain)
    everywhere = generate(embedded, REQUEST, beside(pictures[0], put=torch.ones(16, 16), stratified_until=0.5))
    assert distance(everywhere, generate(embedded, REQUEST, beside(pictures[0], stratified_until=0.5))) < 1e-4


def test_an_output_mask_puts_the_picture_where_it_is_white(embedded, pictures):
    plain = generate(embedded, REQUEST)
    changed = (generate(embedded, REQUEST, beside(pictures[0], put=LEFT)) - plain).abs().mean((0, 1))
    assert changed[:, :6].mean() > 2 * changed[:, 10:].mean()


def test_a_reference_mask_takes_what_is_white(embedded, pictures):
    left = beside(pictures[0], take=Mask(LEFT), adain=0.0)
    plan = InDetail([left.reader(embedded.unet)]).plan(0.1, Row("cond"))
    tokens = laid(256, (16, 16))
    kept = [source.keep(tokens).reshape(16, 16) for stratum in plan for source in stratum.sources if source.keep]
    assert len(kept) == 1 and torch.equal(kept[0], LEFT.bool())
    whole = generate(embedded, REQUEST, beside(pictures[0], adain=0.0))
    assert distance(generate(embedded, REQUEST, left), whole) > 1e-2
    all_white = generate(embedded, REQUEST, beside(pictures[0], take=Mask(torch.ones(16, 16)), adain=0.0))
    assert distance(all_white, whole) < 1e-5


def test_a_negative_picture_changes_the_uncond_rows_alone(embedded, pictures):
    reader = beside(pictures[0], side="negative").reader(embedded.unet)
    method = InDetail([reader])
    assert method.plan(0.1, Row("cond")) is None and method.plan(0.1, Row("uncond")) is not None
    unguided = dataclasses.replace(REQUEST, guidance_scale=1.0)
    negative = beside(pictures[0], side="negative")
    assert torch.equal(generate(embedded, unguided, negative), generate(embedded, unguided))
    assert distance(generate(embedded, REQUEST, negative), generate(embedded, REQUEST)) > 1e-2
    both = Settings(side="negative", guidance=0.0)
    assert list(image_passes(both, "with text", "without")) == [IMAGE]


def test_the_noise_takes_each_pictures_statistics_by_share_and_mask(embedded, pictures):
    noise = randn(2, 4, 16, 16, seed=4)
    acting = [beside(pictures[0], weight=0.5, adain=0.5, put=LEFT),
              beside(pictures[1], 2, weight=1.5, strength=0.5),
              beside(pictures[1], 3, weight=2.0, side="negative")]
    result = tint_all(noise, acting, lambda each: each.clean,
                      lambda settings: settings.strength * settings.adain)
    first, second = (adain(noise, image.clean) - noise for image in pictures)
    expected = noise + 0.25 * 0.5 * LEFT * first + 0.75 * 0.5 * second
    assert distance(result, expected) < 1e-6
    assert tint_all(noise, acting[2:], None, lambda settings: 1.0) is noise


def test_the_noise_takes_the_statistics_of_what_a_reference_mask_takes(embedded, pictures):
    noise = randn(1, 4, 16, 16, seed=4)
    result = tint_all(noise, [beside(pictures[0], take=Mask(LEFT))], lambda each: each.clean, lambda settings: 1.0)
    assert torch.equal(result, adain(noise, pictures[0].clean, LEFT.bool()))
    assert distance(result, adain(noise, pictures[0].clean)) > 1e-2


def test_colour_match_gives_predictions_the_pictures_statistics(pictures):
    clean = 3 * randn(2, 4, 16, 16, seed=5) + 1
    colour = Colour([beside(pictures[0], colour_match=1.0)], 0.3)
    reference = pictures[0].clean
    matched = colour.matched(clean, 0.1)
    assert distance(matched.mean((2, 3)), reference.mean((2, 3)).expand(2, -1)) < 1e-4
    assert distance(matched.std((2, 3)), reference.std((2, 3)).expand(2, -1)) < 1e-4
    half = Colour([beside(pictures[0], colour_match=1.0, strength=0.5)], 0.3).matched(clean, 0.1)
    assert distance(half, (clean + matched) / 2) < 1e-5
    assert colour.acts(0.29) and not colour.acts(0.3)
    assert not Colour([pictures[0]], 0.3).acts(0.1)


def test_colour_match_of_predicted_noise_is_that_of_the_latents_it_stands_for(embedded, pictures):
    z, noise, sigma = randn(2, 4, 16, 16, seed=6), randn(2, 4, 16, 16, seed=7), 2.0
    where = LEFT.expand(2, 1, 16, 16)
    colour = Colour([beside(pictures[0], colour_match=1.0)], 0.3)
    clean = (z - sigma / 5**0.5 * noise) * 5**0.5
    match = partial(colour.matched, u=0.1)
    changed = (z - sigma / 5**0.5 * changed_noise(z * 5**0.5, noise, sigma, match)) * 5**0.5
    assert distance(changed, colour.matched(clean, 0.1)) < 1e-4
    part = changed_clean(clean, match, where)
    assert torch.equal(part[..., 8:], clean[..., 8:])
    assert distance(part[..., :8], colour.matched(clean, 0.1)[..., :8]) < 1e-5
    matched = generate(embedded, REQUEST, beside(pictures[0], colour_match=1.0))
    assert distance(matched, generate(embedded, REQUEST, beside(pictures[0]))) > 1e-3


@pytest.mark.parametrize("weights", ["0:1, 0.5:1, 0.6:0", "structure", "detail", "strong"])
def test_block_weights_choose_how_strongly_layers_read(embedded, pictures, weights):
    image = beside(pictures[0], block_weights=weights, stratified_until=1.0, lambda_image=1.0)
    layers = self_attention_layers(embedded.unet, image.settings.reading_blocks)
    method = InDetail([image.reader(embedded.unet)])
    plans = [method.plan(0.1, Row("cond"), Site(name)) for name in layers]
    amounts = [0.0 if plan is None else plan[1].weight for plan in plans]
    depth = {"strong": amounts == [1.0] * len(amounts), "detail": amounts == sorted(amounts) and amounts[0] == 0}
    assert depth.get(weights, amounts == sorted(amounts, reverse=True) and amounts[-1] == 0)
    assert len(layers) > 3
    assert distance(generate(embedded, REQUEST, image),
                    generate(embedded, REQUEST, beside(image, block_weights="even"))) > 1e-3


def test_block_weights_go_by_the_depth_of_blocks():
    blocks = "input_blocks.1", "middle_block", "output_blocks.3"
    names = [f"{block}.1.transformer_blocks.{i}.attn1" for block in blocks for i in (0, 1)]
    assert list(layer_weights(names, profile("Block weights", "0:0.2, 1:1")).values()) == pytest.approx(
        [0.2, 0.2, 0.6, 0.6, 1, 1])
    assert layer_weights(names[:2], profile("Block weights", "detail")) == dict.fromkeys(names[:2], 0.0)
    with pytest.raises(BadSetting, match="must be even, detail, style, structure, strong, or points such as"):
        profile("Block weights", "fine")


def test_pictures_may_be_read_in_different_blocks(embedded, pictures):
    images = [beside(pictures[0], blocks="all"), beside(pictures[1], 2)]
    method = InDetail([each.reader(embedded.unet) for each in images])
    name = next(iter(self_attention_layers(embedded.unet, "all")))
    assert method.banks(0.9) == {IMAGE, f"{IMAGE} 2"}
    assert len(method.plan(0.9, Row("cond"), Site(name))[0].sources) == 2
    assert len(method.plan(0.9, Row("cond"), Site(next(iter(self_attention_layers(embedded.unet)))))[0].sources) == 3
    assert distance(generate(embedded, REQUEST, images),
                    generate(embedded, REQUEST, [beside(pictures[0]), images[1]])) > 1e-3


def test_an_inversion_offset_shows_nothing_noisier_than_itself(embedded, pictures):
    chain, schedule = pictures[0].chain, embedded.schedule
    latent_at = shown_at(chain, Settings(inversion_offset=0.4), schedule)
    noisy, edge, clean = schedule.sigma(900), schedule.sigma(600), schedule.sigma(300)
    shown = chain.shown(schedule)
    assert torch.equal(latent_at(noisy), shown(edge)) and torch.equal(latent_at(clean), shown(clean))
    assert distance(shown(noisy), shown(edge)) > 1e-2
    assert torch.equal(shown_at(chain, Settings(), schedule)(noisy), shown(noisy))


def test_the_second_pass_has_its_own_strength_and_lambda():
    settings = Settings(hires_strength="0.3", hires_lambda="0:0.2, 0.2:0.1", lambda_schedule="linear")
    second = settings.in_second_pass()
    assert (settings.strength_at(0.1), second.strength_at(0.1)) == (1.0, 0.3)
    assert second.lambda_at(0.1) == pytest.approx(0.15) and settings.lambda_at(0.1) == 0.25
    assert Settings(strength=0.7).in_second_pass() == Settings(strength=0.7)
