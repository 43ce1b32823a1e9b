"""Which rows read an image prompt, in a host that counts them, one that tells them, and beside what others do."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.errors import CannotAct
from lib_indetail.run.generation import LEFT
from tests.fake_host import PAPER, FakeHost, FakeModel
from tests.frozen.wishes import picture

WISH = {"image": picture(0, 64, 64), **PAPER, "adain": 0}
WAYS = {"in one call": {}, "row by row": {"rows_a_call": 1}, "three and one": {"rows_a_call": 3},
        "told": {"tells": True}, "told, row by row": {"tells": True, "rows_a_call": 1}}


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path)


def set_to(host, ways):
    for name, value in ways.items():
        setattr(host, name, value)


def distance(a, b):
    return float((a - b).abs().max())


@pytest.mark.parametrize("way", WAYS)
def test_cond_rows_read_it_and_uncond_rows_keep_their_bits(host, way):
    set_to(host, WAYS[way])
    host.generate(seeds=(1, 2))
    plain, host.rows_answered = host.rows_answered, []
    host.generate(WISH, seeds=(1, 2))
    read = host.rows_answered
    assert torch.equal(read[0][2:], plain[0][2:])
    assert min(distance(read[0][row], plain[0][row]) for row in (0, 1)) > 1e-2


def test_it_does_not_matter_how_rows_are_sent(host):
    with torch.backends.mkldnn.flags(enabled=False):
        made = []
        for ways in WAYS.values():
            set_to(host, {"rows_a_call": 0, "tells": False, **ways})
            made.append(host.generate(WISH, seeds=(1, 2)).latents[0])
    assert max(distance(made[0], each) for each in made[1:]) < 1e-4


@pytest.mark.parametrize("tells", [False, True])
def test_what_others_send_through_the_unet_is_left_alone(host, tells):
    host.tells = tells
    alone = host.generate(WISH).latents[0]
    host.foreign = True
    assert distance(host.generate(WISH).latents[0], alone) == 0


def test_nothing_is_left_on_the_unet(host):
    def hooks():
        return sum(len(each._forward_hooks) + len(each._forward_pre_hooks) for each in host.at_work.unet.modules())

    before, plain = hooks(), host.generate().latents[0]
    host.generate(WISH)
    assert hooks() == before
    assert torch.equal(host.generate().latents[0], plain)


def test_a_layer_that_somebody_answers_without_calling_it_is_named_and_not_skipped(host):
    block = host.at_work.unet.output_blocks[-1][1].transformer_blocks[0]
    before, of_a_generation = block._forward, 2
    block._forward = lambda x, context=None: (
        block.ff(block.norm3(x)) + x if len(x) == of_a_generation else before(x, context))
    try:
        with pytest.raises(CannotAct, match=r"something else in the place of the attention of output_blocks\.\d+\.1"):
            host.generate(WISH)
    finally:
        block._forward = before


def test_a_unet_that_somebody_put_in_its_place_is_named(host):
    host.generate(WISH)
    host.instead = FakeModel("other").unet
    with pytest.raises(CannotAct) as refused:
        host.generate(WISH)
    assert refused.value.by == ("sd-webui-other",) and refused.value.reason == LEFT
    assert str(refused.value) == ("InDetail cannot act: another extension (sd-webui-other) or a model switch has put a "
                                  "different UNet in its place.")


def test_where_the_person_wants_it_so_it_goes_on_without_it(host):
    host.options["indetail_go_on"] = True
    plain = host.generate().latents[0]
    host.instead = host.at_work.unet.forward
    made = host.generate(WISH)
    assert torch.equal(made.latents[0], plain)
    assert "different UNet" in made.job.lines["InDetail skipped"]
    assert sum("skipped: " in text for text in made.job.texts) == 1


def test_a_refiner_reads_it_with_its_own_weights(host):
    refiner = FakeModel("refiner")
    host.generate(WISH)
    switched = {"switch_to": refiner, "switch_at": 2}
    made = host.generate(WISH, passes=[switched])
    plain = host.generate(passes=[switched])
    assert refiner.recorded == made.passes[0].nodes[2:] and host.loaded.recorded == []
    pairs = zip(made.passes[0].predictions, plain.passes[0].predictions, strict=True)
    assert min(distance(*pair) for pair in pairs) > 1e-2


def test_a_refiner_that_cannot_be_used_is_refused(host):
    switched = {"switch_to": FakeModel("refiner", wrong="it knows nothing of it"), "switch_at": 2}
    with pytest.raises(CannotAct, match=r"InDetail cannot act: it knows nothing of it\."):
        host.generate(WISH, passes=[switched])


def test_levels_that_the_refiner_samples_are_not_read_ahead_by_the_first_model(host):
    made = host.generate(WISH, passes=[{"switch_to": FakeModel("refiner"), "switch_at": 1}])
    assert "read at 1 noise levels" in made.job.texts[0]
    assert host.owner.counts()["levels"] == 1 + 3


def test_residuals_are_kept_from_the_uncond_rows_up_to_where_it_is_set(host):
    host.generate({**WISH, "control_uncond_from": 0.5})
    assert host.spared == [True, True, False, False]


def test_a_pass_that_does_not_begin_with_noise_begins_at_its_first_level(host):
    host.generate({**WISH, "control_uncond_from": 0.5}, passes=[{"from_noise": False, "nodes": [251, 125, 1]}])
    assert host.spared == [True, False, False]
    tinted = {**WISH, "adain": 1.0}
    kept = [host.generate(wish, passes=[{"from_noise": False}]).latents[0] for wish in (WISH, tinted)]
    assert torch.equal(*kept)
    assert distance(host.generate(WISH).latents[0], host.generate(tinted).latents[0]) > 1e-2


def test_colours_are_matched_but_not_what_is_known_already(host):
    from lib_indetail.run.host import Known

    free = torch.zeros(1, 1, 8, 8)
    free[..., :4] = 1
    wish = {**WISH, "colour_match": 1, "colour_until": 0.3}
    plain = host.generate({**wish, "colour_match": 0}).passes[0].predictions[0]
    whole = host.generate(wish).passes[0].predictions[0]
    part = host.generate(wish, passes=[{"known": Known(torch.zeros(1, 4, 8, 8), free)}]).passes[0].predictions[0]
    assert distance(whole, plain) > 1e-2
    assert distance(part[..., 4:], plain[..., 4:]) < 1e-5
    assert distance(part[..., :4], whole[..., :4]) < 1e-5


def test_memory_on_the_device_is_asked_for_while_sampling(host):
    host.generate(WISH)
    (size,) = set(host.kept_free)
    level = host.owner.banks.bytes // host.owner.counts()["levels"]
    assert size == 2 * level > 0
