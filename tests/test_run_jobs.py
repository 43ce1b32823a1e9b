"""A generation from its beginning to its end: what is asked for, what the infotext says, what is refused, and when."""

from __future__ import annotations

import logging

import pytest
import torch

from lib_indetail.errors import BadPicture, BadSetting, CannotAct
from lib_indetail.run.sampling_pass import NO_STRUCTURE
from lib_indetail.run.wishes import DIFFERENT
from tests.fake_host import SIZE, FakeHost, FakeJob, FakeModel, Frame
from tests.frozen.wishes import mask, picture

WISH = {"image": picture(0, 64, 64), "nodes": 4}
HIRES = [{"title": "first pass"}, {"title": "second pass", "from_noise": False, "frame": Frame(2 * SIZE, SIZE, 4, 3)}]


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path)


def differ(a, b) -> bool:
    return not torch.equal(a, b)


def test_the_infotext_says_what_was_asked_for(host):
    lines = host.generate({**WISH, "lambda_image": 0.3}).job.lines
    assert lines["InDetail lambda"] == 0.3 and lines["InDetail nodes"] == 4
    assert len(lines["InDetail image"]) == 12 and "InDetail version" in lines
    assert host.generate({**WISH, "enabled": False}).job.lines == {}
    off = host.generate({**WISH, "strength": 0}).job.lines
    assert off["InDetail strength"] == 0 and host.owner.counts()["inversions"] == 1


def test_another_scripts_change_is_in_the_picture_and_in_the_infotext(host):
    made = host.generate(WISH, change=lambda job, args: [{**args[0], "lambda_image": 0.9}])
    assert made.job.lines["InDetail lambda"] == 0.9
    assert not differ(made.latents[0], host.generate({**WISH, "lambda_image": 0.9}).latents[0])


def test_pictures_are_read_once_for_all_passes_of_a_generation(host, monkeypatch):
    from lib_indetail.ask import image_prompt

    read, decoded = [], image_prompt.decoded
    monkeypatch.setattr(image_prompt, "decoded", lambda text: read.append(text) or decoded(text))
    host.generate(WISH, batches=2, passes=HIRES)
    assert len(read) == 1


@pytest.mark.parametrize(("wish", "kind", "said"), [
    ({**WISH, "lambda_image": 3}, BadSetting, "Lambda must be a number from 0.0 to 1.0, not 3."),
    ({**WISH, "images": [{"image": picture(1, 64, 64), "strength": "much"}]}, BadSetting,
     "Image prompt 2: Strength must be a number from 0.0 to 1.0, not 'much'."),
    ({"image": "bm8="}, BadPicture, "The image is not a picture"), ({"image": ""}, BadPicture, "no image prompt"),
    ({**WISH, "reference_mask": 5}, BadPicture, "Reference mask must be a picture as base64"),
    ({**WISH, "reference_mask": "bm8="}, BadPicture, "Reference mask: The image is not a picture")])
def test_what_cannot_be_is_refused_before_anything_is_sampled(host, wish, kind, said):
    made = host.generate(wish)
    assert type(made.job.refused) is kind or isinstance(made.job.refused, kind)
    assert said in str(made.job.refused)
    assert made.latents == [] and made.job.lines == {} and host.owner.counts()["pictures"] == 0


def test_errors_hold_field_value_and_number():
    host_error = BadSetting("must be high.", "Lambda", 3)
    assert (host_error.field, host_error.value, host_error.number) == ("Lambda", 3, None)
    assert str(host_error.of_prompt(2)) == "Image prompt 2: Lambda must be high."
    assert str(host_error) == "Lambda must be high."
    assert str(BadPicture("It is broken.").of_field("Output mask")) == "Output mask: It is broken."
    error = CannotAct("{someone} is at work").blamed(("a", "b"))
    assert str(error.of_prompt(3)) == "Image prompt 3: InDetail cannot act: another extension (a, b) is at work."
    assert CannotAct("it knows {braces}").blamed(("a",)).by == ()


def test_a_value_that_a_script_makes_bad_is_refused_at_the_sampling_call(host):
    with pytest.raises(BadSetting, match="Lambda"):
        host.generate(WISH, change=lambda job, args: [{**args[0], "lambda_image": -1}])


def test_a_kind_of_model_that_cannot_be_used_is_refused_before_anything_is_encoded(host):
    host.loaded = FakeModel(wrong="it does not know this kind of model")
    with pytest.raises(CannotAct, match=r"^InDetail cannot act: it does not know this kind of model\.$"):
        host.generate(WISH)
    assert host.loaded.encoded == 0
    host.options["indetail_go_on"] = True
    made = host.generate(WISH)
    assert made.job.lines["InDetail skipped"].endswith("this kind of model.")
    assert not differ(made.latents[0], host.generate().latents[0])


def test_who_samples_elsewhere_is_refused_before_that(host):
    made = host.generate(WISH, job=FakeJob(elsewhere="another extension (sonar)"))
    assert str(made.job.refused) == "InDetail cannot act: another extension (sonar) samples in the host's place."
    host.options["indetail_go_on"] = True
    made = host.generate(WISH, job=FakeJob(elsewhere="another extension (sonar)"))
    assert made.job.refused is None and made.latents and "InDetail skipped" in made.job.lines
    assert not differ(made.latents[0], host.generate().latents[0])


def test_a_batch_that_nobody_let_us_act_in_does_not_name_us(host):
    job = FakeJob()
    host.owner.begin(job, [WISH])
    host.owner.begin_batch(job)
    assert "InDetail image" in job.lines
    host.owner.end_batch(job)
    assert job.lines == {} and job.texts == ["made without the image prompt"]
    host.owner.begin_batch(job)
    assert "InDetail image" in job.lines


def test_an_inner_generation_is_left_alone_unless_it_is_wanted(host):
    plain = host.generate().latents[0]
    made = host.generate(WISH, job=FakeJob(inner=True))
    assert not differ(made.latents[0], plain)
    assert made.job.texts == ["left out of an inner pass"] and made.job.lines == {}
    host.options["indetail_inner"] = True
    assert differ(host.generate(WISH, job=FakeJob(inner=True)).latents[0], plain)


@pytest.mark.parametrize(("passes", "acts"), [("both", [True, True]), ("first", [True, False]),
                                              ("second", [False, True])])
def test_of_two_passes_those_act_that_are_chosen_each_with_its_own_inversion(host, passes, acts):
    plain = host.generate(passes=HIRES)
    made = host.generate({**WISH, "passes": passes}, passes=HIRES)
    assert [differ(a, b) for a, b in zip(made.latents, plain.latents, strict=True)] == acts
    assert host.owner.counts()["inversions"] == sum(acts)
    left_out = [text for text in made.job.texts if text.startswith("left out of the ")]
    assert left_out == [f"left out of the {each['title']}, as set" for each, act in zip(HIRES, acts, strict=True)
                        if not act]


def test_the_second_pass_has_values_of_its_own(host):
    wish = {**WISH, "hires_strength": "0.3"}
    made, both = (host.generate(each, passes=HIRES) for each in (wish, {**WISH, "strength_schedule": "0.3"}))
    assert differ(made.latents[0], both.latents[0]) and not differ(made.latents[1], both.latents[1])


def test_an_image_prompt_is_inverted_with_the_first_text_of_its_side(host):
    host.generate(WISH, seeds=(1, 2), prompts=["a star", "a ring"], negatives=["blurred", "grey"])
    assert host.loaded.texts.count("a star") == 2 + 4 - 1 and DIFFERENT in host.generate(
        WISH, seeds=(1, 2), prompts=["a star", "a ring"]).job.texts
    host.loaded.texts.clear()
    host.generate({**WISH, "side": "negative"}, negatives=["blurred"])
    assert host.loaded.texts[0] == "blurred"
    host.loaded.texts.clear()
    host.generate({**WISH, "inversion_text": "own text", "own_text": "striped", "suffix": ", fine"})
    assert host.loaded.texts[0] == "striped, fine"


def test_image_prompts_are_spread_over_all_images_of_all_batches(host):
    two = {**WISH, "images": [{"image": picture(1, 64, 64)}], "spread": "one per image", "adain": 0}
    plain = host.generate(seeds=(1, 2), batches=2)
    made = host.generate(two, seeds=(1, 2), batches=2)
    changed = [differ(a[row], b[row]) for a, b in zip(made.latents, plain.latents, strict=True) for row in (0, 1)]
    assert changed == [True, True, False, False]
    assert host.owner.counts()["pictures"] == 2


def test_masks_are_fitted_to_each_pass(host):
    put = {**WISH, "output_mask": mask(0, 0, 64, 128), "adain": 0, "show": ["masks"]}
    plain, made = host.generate(passes=HIRES), host.generate(put, passes=HIRES)
    for a, b in zip(made.latents, plain.latents, strict=True):
        far = (a - b).abs().mean((0, 1, 2))
        assert far[:len(far) // 2].mean() > far[len(far) // 2:].mean()
    sizes = {title: each.size for title, each in made.extras.items()}
    assert sizes == {"Output mask of image prompt 1, first pass": (SIZE, SIZE),
                     "Output mask of image prompt 1, second pass": (2 * SIZE, SIZE)}


def test_where_a_part_is_inpainted_the_same_part_may_be_shown(host):
    part = {"inpainted": (0.0, 0.0, 0.5, 0.5), "from_noise": False}
    whole, same = (host.generate({**WISH, "inpaint_reference": each}, passes=[part]).latents[0]
                   for each in ("whole picture", "same part"))
    assert differ(whole, same)


def test_a_mask_that_leaves_nothing_is_refused_with_its_number(host):
    two = {**WISH, "images": [{"image": picture(1, 64, 64), "reference_mask": mask(0, 0, 30, 128)}],
           "inpaint_reference": "same part"}
    with pytest.raises(BadPicture, match=r"^Image prompt 2: Nothing of the image prompt is left to read at 64x64"):
        host.generate(two, passes=[{"inpainted": (0.5, 0.5, 1.0, 1.0)}])


def test_a_task_without_its_structure_is_said_once(host):
    guided = {**WISH, "task": "structure-guided"}
    made = host.generate(guided, batches=2, passes=HIRES)
    assert made.job.said.count((logging.WARNING, NO_STRUCTURE)) == 1
    assert NO_STRUCTURE not in host.generate(guided, has_structure=True).job.texts


def test_extra_pictures_come_of_whoever_asks_for_them(host):
    made = host.generate({**WISH, "show": ["reconstruction", "attention", "masks"]}, batches=2)
    assert list(made.extras) == ["Reconstruction of image prompt 1", "Attention of image prompt 1"]
    assert host.generate(WISH).extras == {}
    assert made.extras["Reconstruction of image prompt 1"].size == (SIZE, SIZE)
    assert "inverting the image prompt" in host.told


def test_a_picture_that_an_infotext_names_is_found_again(host):
    lines = host.generate(WISH).job.lines
    assert host.owner.found(lines["InDetail image"]).size == (64, 64)
    assert host.owner.found("0" * 12) is None


def test_an_own_preset_is_taken_by_its_name(host):
    host.owner.presets.save("mine", {"lambda_image": 0.2, "task": "cross-prompt"})
    lines = host.generate({**WISH, "preset": "mine"}).job.lines
    assert lines["InDetail lambda"] == 0.2 and lines["InDetail task"] == "cross-prompt"


def test_a_copy_of_a_generation_begins_anew(host):
    job = FakeJob()
    host.generate(WISH, job=job)
    before = job.state
    host.generate(WISH, job=job)
    assert job.state is not before and job.state.request is before.request
