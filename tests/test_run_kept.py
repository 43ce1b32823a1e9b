"""What is prepared once and read again: latents, chains, keys and values, in memory and on disk."""

from __future__ import annotations

import pytest
import torch

from lib_indetail.errors import CannotAct
from lib_indetail.pictures.convert import picture_tensor
from lib_indetail.pictures.opening import decoded_picture
from tests.fake_host import PAPER, SIZE, FakeHost, FakeModel, Frame
from tests.frozen.wishes import picture

WISH = {"image": picture(0, 64, 64), **PAPER}
NEW, STILL = "the image prompt was inverted in", "the image prompt's inversion was still there"


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path)


def note(made) -> str:
    return made.job.texts[0]


def test_the_latent_of_a_picture_is_what_the_model_makes_of_it_also_out_of_the_cache(host):
    given = decoded_picture(WISH["image"])
    wanted = FakeModel().encode(picture_tensor(given))
    found = [host.owner.preparer.clean_latent(host.loaded, given) for _ in range(2)]
    assert all(torch.equal(latent, wanted) for latent in found) and host.loaded.encoded == 1
    assert not torch.equal(wanted, wanted.flip(-1))


def test_a_second_generation_inverts_and_reads_nothing(host):
    first = host.generate(WISH)
    calls = len(host.at_work.called)
    second = host.generate(WISH)
    assert note(first).startswith(NEW) and "read at 4 noise levels" in note(first)
    assert note(second) == STILL
    assert len(host.at_work.called) - calls == 4
    assert torch.equal(first.latents[0], second.latents[0])
    assert host.at_work.encoded == 1


@pytest.mark.parametrize("changes", [
    {"wish": {"image": picture(1, 64, 64)}}, {"wish": {"nodes": 3}}, {"wish": {"inversion": "refined"}},
    {"wish": {"inversion_text": "empty"}}, {"prompts": ["a ring"]}, {"frame": Frame(2 * SIZE, SIZE, 4)},
    {"wish": {"resize": "fit"}, "frame": Frame(SIZE, 2 * SIZE, 4)}, {"model": "other"}])
def test_what_another_thing_depends_on_is_made_anew(host, changes):
    host.generate(WISH)
    if "model" in changes:
        host.loaded = FakeModel(changes.pop("model"))
    wish = {**WISH, **changes.pop("wish", {})}
    assert note(host.generate(wish, **changes)).startswith(NEW)
    assert note(host.generate(wish, **changes)).startswith(STILL)


def test_what_only_sampling_depends_on_inverts_nothing_anew(host):
    host.generate(WISH)
    for wish in ({"lambda_image": 0.3}, {"strength": 0.5}, {"stratified_until": 1}, {"colour_match": 0.3}):
        assert note(host.generate({**WISH, **wish}, seeds=(5,))).startswith(STILL)


def test_other_blocks_are_read_anew_from_the_same_inversion(host):
    host.generate(WISH)
    said = note(host.generate({**WISH, "blocks": "all"}))
    assert said.startswith(f"{STILL}, and read at 4 noise levels")


def test_a_restart_finds_the_inversion_on_disk(host, tmp_path):
    made = host.generate(WISH)
    anew = FakeHost(tmp_path)
    assert note(anew.generate(WISH)).startswith(f"{STILL}, on disk")
    host.owner.clear()
    assert torch.equal(host.generate(WISH).latents[0], made.latents[0])
    host.owner.forget()
    assert host.owner.counts() == {**dict.fromkeys(host.owner.counts(), 0), "kept_pictures": 1,
                                   "kept_bytes": host.owner.kept.bytes}
    assert note(host.generate(WISH)).startswith(NEW)


def test_options_say_how_much_is_kept(host):
    host.options.update(indetail_cache_mb=0, indetail_disk_mb=0, indetail_bank_mb=0, indetail_keep_mb=0)
    made = host.generate(WISH)
    assert not any(host.owner.counts().values())
    assert "there is no room for 4 noise levels, which are read while sampling" in note(made)
    host.options.clear()
    assert (made.latents[0] - host.generate(WISH).latents[0]).abs().max() < 1e-4


def test_an_automatic_bank_takes_a_quarter_of_what_is_free(host):
    assert host.owner.banks.room(lambda entry: True) == host.free_main_memory() // 4
    host.options["indetail_bank_mb"] = 3
    assert host.owner.banks.room(lambda entry: True) == 3 * 2**20


def test_several_pictures_of_one_generation_do_not_push_each_other_out(host):
    host.generate(WISH)
    level = host.owner.banks.bytes / 4
    host.options["indetail_bank_mb"] = int(6 * level // 2**20) or 1
    host.owner.clear()
    two = {**WISH, "images": [{"image": picture(1, 64, 64)}]}
    held = [host.generate(two) and host.owner.counts()["levels"] for _ in range(2)]
    assert held[0] == held[1]


@pytest.mark.parametrize("asked", [0, 2, 4])
def test_an_interrupt_leaves_the_generation_plain_and_nothing_unfinished(host, asked):
    plain = host.generate().latents[0]
    host.stop_after = asked
    made = host.generate(WISH)
    assert torch.equal(made.latents[0], plain)
    kept = host.owner.counts()
    assert kept["inversions"] == (asked == 4)
    host.stop_after, host.asked = None, 0
    assert not torch.equal(host.generate(WISH).latents[0], plain)


@pytest.mark.parametrize("inversion", ["DDIM", "one pass"])
def test_nan_while_a_picture_is_inverted_is_the_inversions(host, inversion):
    spoil = float("nan")
    host.loaded.unet.out.register_forward_hook(lambda module, args, out: out * (spoil if len(out) == 1 else 1))
    with pytest.raises(CannotAct, match="the inversion of the image prompt came to NaN"):
        host.generate({**WISH, "inversion": inversion})


def test_own_calls_are_made_while_the_host_holds_still_and_tells_its_progress(host):
    host.generate(WISH)
    assert host.at_work.quiet == 2
    assert host.told == ["inverting the image prompt", "reading the image prompt"]
    assert host.steps[-1][0] == host.steps[-1][1] == 4
    assert host.doing == ["getting ready", "encoding the image prompt", "sampling", None]


@pytest.mark.parametrize("inversion", ["DDIM", "refined", "re-noise", "one pass", "parallel"])
def test_every_kind_of_inversion_gives_an_image_prompt(host, inversion):
    plain = host.generate().latents[0]
    made = host.generate({**WISH, "inversion": inversion})
    assert (made.latents[0] - plain).abs().max() > 1e-2
    again = host.generate({**WISH, "inversion": inversion})
    assert torch.equal(made.latents[0], again.latents[0])
    assert made.job.texts[0].startswith(NEW) and again.job.texts[0].startswith(STILL)
    own = {"DDIM": 4 + 1, "refined": 12 + 1, "re-noise": 1, "one pass": 5, "parallel": 3}[inversion]
    assert len(host.at_work.own) == own
