"""Generations with the embedded model: what must be bit-equal, and what must not depend on what."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from embedded.demo import picture_of, unseen
from embedded.generate import Request, generate, prepare
from embedded.samplers import ddim_steps
from embedded.unet_calls import GuidedModel, Structure
from lib_indetail.ask.settings import Settings
from lib_indetail.attention.hooks import InDetailHooks
from lib_indetail.bank.image_branch import branches
from lib_indetail.errors import Interrupted
from lib_indetail.methods.plans import of_one
from lib_indetail.pictures.convert import picture_tensor
from tests.small import Following, Notebook, randn

LATENT = randn(1, 4, 16, 16, seed=1)
REQUEST = Request("a star", seeds=(5,), steps=6, sampler="euler_ancestral")


@pytest.fixture(scope="module")
def image(embedded):
    picture = picture_tensor(picture_of(unseen(1, "circle", "dotted")))
    return prepare(embedded, embedded.encode(picture), "a star", Settings(nodes=10))


def changed(image, **settings):
    """The same chain and passes under other settings."""
    return dataclasses.replace(image, settings=dataclasses.replace(image.settings, **settings))


def test_strength_0_is_bit_equal_to_plain(embedded, image):
    assert torch.equal(generate(embedded, REQUEST, changed(image, strength=0)), generate(embedded, REQUEST))


def test_the_image_prompt_changes_the_picture(embedded, image):
    assert (generate(embedded, REQUEST, image) - generate(embedded, REQUEST)).abs().max() > 1e-2


def test_the_last_run_is_bit_equal_to_the_first(embedded, image):
    first, plain = generate(embedded, REQUEST, image), generate(embedded, REQUEST)
    generate(embedded, dataclasses.replace(REQUEST, seeds=(8, 9), sampler="ddim", steps=2), image)
    assert torch.equal(generate(embedded, REQUEST, image), first)
    assert torch.equal(generate(embedded, REQUEST), plain)


@pytest.mark.parametrize(("sampler", "tolerance"), [
    ("ddim", 1e-4), ("euler", 1e-4), ("euler_ancestral", 1e-4), ("dpmpp_sde", 3e-4),
    ("dpmpp_2m", 1e-3)])  # they amplify what matrix products round by batch size: 1.3e-4 without an image prompt too
def test_a_batch_of_4_equals_4_single_pictures(embedded, image, sampler, tolerance):
    request = dataclasses.replace(REQUEST, seeds=(1, 2, 3, 4), sampler=sampler, steps=8)
    with torch.backends.mkldnn.flags(enabled=False):  # it rounds convolutions differently for every batch size
        singles = [generate(embedded, dataclasses.replace(request, seeds=(seed,)), image) for seed in request.seeds]
        batch = generate(embedded, request, image)
    assert (batch - torch.cat(singles)).abs().max() <= tolerance


@pytest.mark.parametrize("sampler", ["ddim", "euler"])
def test_adain_acts_from_pure_noise_and_never_in_img2img(embedded, image, sampler):
    request = dataclasses.replace(REQUEST, sampler=sampler, steps=4)
    with_adain, without = image, changed(image, adain=0)
    assert not torch.equal(generate(embedded, request, with_adain), generate(embedded, request, without))
    for denoising in (0.5, 1.0):
        img2img = dataclasses.replace(request, initial=randn(1, 4, 16, 16, seed=2), denoising=denoising)
        assert torch.equal(generate(embedded, img2img, with_adain), generate(embedded, img2img, without))


def residuals_like_a_controlnets(model):
    shapes = []
    handles = [block.register_forward_hook(lambda *args: shapes.append(args[2].shape[1:]))
               for block in (*model.unet.input_blocks, model.unet.middle_block)]
    model.unet(LATENT, torch.tensor([1.0]), context=model.text([""]))
    [handle.remove() for handle in handles]
    *down, middle = [0.3 * randn(1, *shape, seed=seed) for seed, shape in enumerate(shapes)]
    return down, middle


def first_call(model, image, structure):
    """Keys and values that the first call's rows read of the image, and what it gave."""
    notebook, text = Notebook(), model.text(["a star", ""])
    settings = dataclasses.replace(image.settings, stratified_until=1)
    read = branches(image.chain.shown(model.schedule), image.passes, memory=notebook)
    with InDetailHooks(model.unet, read, of_one(settings)) as hooks:
        guided = GuidedModel(model, text[:1], text[1:], 5.0, Following(hooks), structure)
        _, output = next(ddim_steps(guided, randn(1, 4, 16, 16, seed=3), [501, 1]))
    return [part for pair in notebook.kept[0][2].values() for part in pair], output


def test_a_controlnet_does_not_change_what_the_rows_read(embedded, image):
    with_structure, moved = first_call(embedded, image, Structure(given=residuals_like_a_controlnets(embedded)))
    without, still = first_call(embedded, image, None)
    assert len(without) == len(with_structure) == 18
    assert all(torch.equal(a, b) for a, b in zip(with_structure, without, strict=True))
    assert (moved - still).abs().max() > 1e-3
    assert "forward" not in vars(embedded.unet)


def test_an_interrupt_leaves_no_image_prompt(embedded):
    asked = []
    with pytest.raises(Interrupted):
        prepare(embedded, LATENT, "a star", Settings(nodes=6), interrupted=lambda: asked.append(1) or len(asked) > 2)
    assert len(asked) == 3


def test_guidance_decides_which_banks_are_prepared(embedded):
    banks = [sorted(prepare(embedded, LATENT, "a star", Settings(inversion="re-noise", guidance=g)).passes)
             for g in (1, 0.99)]
    assert banks == [["image"], ["image", "image without text"]]


@pytest.mark.parametrize("kind", ["DDIM", "refined"])
def test_strength_0_inverts_nothing(embedded, kind):
    told = []
    settings = Settings(strength=0, nodes=2, inversion=kind)
    prepare(embedded, LATENT, "a star", settings, progress=lambda *step: told.append(step))
    assert told == []
