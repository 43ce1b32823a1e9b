"""Nothing is claimed that was not done: scripts that sample in the host's place are refused, or told of."""

from __future__ import annotations

import base64
import json
import shutil

import pytest

from tests.webui.host import HELPER, SEEDING, Host, difference, encoded, find_extension, find_webui, own_copy, paper
from tests.webui.test_infotext import infotext

ALTERNATIVE = "img2img alternative test"
OTHERS = {"demofusion": "multidiffusion-upscaler-for-automatic1111", "sonar": "stable-diffusion-webui-sonar",
          "tweaks": "sd-webui-hires-fix-tweaks"}


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A WebUI with all of the others' extensions that there are; they write into their own folders, so they are
    copied."""
    copies = tmp_path_factory.mktemp("others")
    found = {name: found for name in OTHERS.values() if (found := find_extension(name))}
    for name, place in found.items():
        shutil.copytree(place, copies / name, ignore=shutil.ignore_patterns(".git"))
    host = Host(find_webui(), tmp_path_factory.mktemp("crowded"), {
        "sd-webui-indetail": own_copy(tmp_path_factory.mktemp("extension")), "test-probe": HELPER,
        "test-seeding": SEEDING, **{name: copies / name for name in found}})
    try:
        yield host.start()
    finally:
        host.stop()


@pytest.fixture
def among(crowded):
    """The same, with options as they were."""
    crowded.post("/probe/reset")
    yield crowded
    crowded.options(indetail_go_on=False)


def defaults(host: Host, script: str, img2img: bool, **changes) -> list:
    """A script's default arguments, changed at some places."""
    for each in host.get("/sdapi/v1/script-info")[1]:
        if each["name"] == script and each["is_img2img"] == img2img:
            values = [argument["value"] for argument in each["args"]]
            return [changes.get(f"at{number}", value) for number, value in enumerate(values)]
    if script == ALTERNATIVE:
        pytest.skip("NOT THERE: the host's script of its own (scripts/img2imgalt.py)")
    name = OTHERS.get(script.split()[0], OTHERS["tweaks"])
    if find_extension(name):
        pytest.skip(f"NOT THERE: what {name} imports, which this host does not load (modules)")
    pytest.skip(f"NOT RUN: no {name} in SD_WEBUI_EXTENSIONS or in the WebUI's extensions")


def alternative(host, picture) -> dict:
    """The host's own script, which inverts the initial image and samples by itself."""
    args = defaults(host, ALTERNATIVE, True)
    labels = [each["label"] for each in next(
        script["args"] for script in host.get("/sdapi/v1/script-info")[1] if script["name"] == ALTERNATIVE)]
    args[labels.index("Decode steps")] = 6
    return {"mode": "img2img", "init_images": [picture], "denoising_strength": 1, "script_name": ALTERNATIVE,
            "script_args": args}


def sonar(host, picture) -> dict:
    """Another extension's script with samplers of its own."""
    return {"script_name": "sonar", "script_args": defaults(host, "sonar", False)}


SCRIPTS = {"img2imgalt": alternative, "stable-diffusion-webui-sonar": sonar}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_that_samples_by_itself_is_refused_before_it_does(among, picture, name):
    fields = SCRIPTS[name](among, picture)
    plain = among.make(**fields)
    among.post("/probe/forget")
    status, answer = among.ask(indetail={"image": picture}, **fields)
    assert (status, answer["errors"].startswith("InDetail cannot act: another ")) == (422, True), answer
    assert f"({name}) samples in the host's place." in answer["errors"]
    assert among.get("/probe/state")[1]["calls"] == []
    assert difference(plain[0], among.make(**fields)[0]) <= 1


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_goes_on_and_says_so_if_the_person_wants_that(among, picture, name):
    fields = SCRIPTS[name](among, picture)
    among.options(indetail_go_on=True)
    ours = among.make(indetail={"image": picture}, **fields)
    assert difference(among.make(**fields)[0], ours[0]) <= 1
    text = infotext(ours[0])
    assert "InDetail skipped: " in text and f"({name}) samples in the host's place." in text
    assert any("skipped" in each for each in among.get("/probe/state")[1]["comments"])


@pytest.mark.parametrize("name", SCRIPTS)
def test_with_such_a_script_bad_input_is_refused_all_the_same(among, picture, name):
    status, answer = among.ask(indetail={"image": picture, "strength": 7}, **SCRIPTS[name](among, picture))
    assert (status, answer["errors"]) == (422, "Strength must be a number from 0.0 to 1.0, not 7.")


@pytest.mark.parametrize("sooner", [False, True])
def test_demofusion_is_refused_or_told_wherever_its_folder_stands(tmp_path_factory, picture, sooner):
    found = find_extension(OTHERS["demofusion"])
    if found is None:
        pytest.skip(f"NOT RUN: no {OTHERS['demofusion']} in SD_WEBUI_EXTENSIONS or in the WebUI's extensions")
    ours, theirs = ("b-indetail", "a-others") if sooner else ("a-indetail", "b-others")
    host = Host(find_webui(), tmp_path_factory.mktemp("order"), {
        ours: own_copy(tmp_path_factory.mktemp("extension")), theirs: found, "test-probe": HELPER})
    try:
        host.start()
        args = defaults(host, "demofusion", False, at0=True, at3=16, at4=8, at13=False)
        fields = {"alwayson_scripts": {"demofusion": {"args": args}}, "n_iter": 2, "steps": 3}
        plain = host.make(**fields)
        host.post("/probe/reset")
        status, answer = host.ask(indetail={"image": picture}, **fields)
        if sooner:
            assert (status, "(a-others) samples in the host's place." in answer["errors"]) == (422, True)
        else:
            made = [base64.b64decode(each) for each in answer["images"]]
            assert [difference(*pair) for pair in zip(plain, made, strict=True)] == [0] * len(plain)
            assert not any("InDetail" in text for text in json.loads(answer["info"])["infotexts"])
            assert not any("InDetail" in infotext(each) for each in made)
            comments = host.get("/probe/state")[1]["comments"]
            assert "InDetail: made without the image prompt: another extension (b-others) samples in the host's " \
                   "place; the infotext does not name InDetail." in comments
        after = host.make(indetail={"image": picture})
        assert "InDetail image" in infotext(after[0]) and difference(after[0], host.make()[0]) > 2
    finally:
        host.stop()


def test_a_script_that_passes_on_to_the_host_is_no_obstacle(among, picture):
    args = defaults(among, "hires. fix tweaks", False, at4=2)
    fields = {"alwayson_scripts": {"hires. fix tweaks": {"args": args}}, "enable_hr": True, "hr_scale": 1.5,
              "hr_upscaler": "Latent", "denoising_strength": 0.8, "steps": 3}
    plain, ours = among.make(**fields), among.make(indetail={"image": picture}, **fields)
    assert all(difference(*pair) > 2 for pair in zip(plain, ours, strict=True))
    assert "InDetail image" in infotext(ours[0])


def test_a_batch_that_was_stopped_before_the_picture_could_act_does_not_name_it(among, picture):
    among.post("/probe/then", {"after": 3, "what": "skipped"})
    status, answer = among.ask(indetail={"image": picture, **paper(20)}, n_iter=2)
    assert status == 200
    first, second = json.loads(answer["info"])["infotexts"][-2:]
    assert "InDetail" not in first and "InDetail image" in second
    assert any("it was stopped before the image prompt could act" in each
               for each in among.get("/probe/state")[1]["comments"])


def test_a_refusal_is_answered_alike_for_text_and_picture(among, picture):
    for mode, extra in (("txt2img", {}), ("img2img", {"init_images": [picture], "denoising_strength": 0.7})):
        status, answer = among.ask(mode, indetail={"image": encoded(b"no picture")}, **extra)
        assert (status, answer["error"], answer["errors"]) == (422, "InDetail", "The image is not a picture that can "
                                                                                "be read.")
