"""Generations that leave the process they were begun in: shared out to a second WebUI, or queued for later."""

from __future__ import annotations

import base64
import json
import shutil
import time
from pathlib import Path

import pytest

from tests.webui.host import FORGE, HELPER, SEEDING, Host, difference, find_extension, find_webui, own_copy, pixels
from tests.webui.person import Person
from tests.webui.test_infotext import infotext
from tests.webui.test_many import ONE, TOGETHER
from tests.webui.test_several import LEFT, WISH
from tests.webui.test_xyz import plotted, same

DISTRIBUTED, SCHEDULER = "stable-diffusion-webui-distributed", "sd-webui-agent-scheduler"
SECOND = "second machine"


def copied(name: str, folder: Path) -> Path:
    """Somebody else's extension, copied because it writes its settings and its log into its own folder."""
    found = find_extension(name)
    if found is None:
        pytest.skip(f"NOT RUN: no {name} in SD_WEBUI_EXTENSIONS or in the WebUI's extensions")
    return Path(shutil.copytree(found, folder / name, ignore=shutil.ignore_patterns(".git", "*.json", "*.log*",
                                                                                    "*.sqlite3")))


def share_out(extension: Path, second: Host) -> None:
    """Tell the first machine of a second one, as quick as itself, that shall make half of every batch."""
    def machine(**fields) -> dict:
        return {"avg_ipm": 10.0, "eta_percent_error": [], "tls": False, "state": 1, "pixel_cap": -1, **fields}

    workers = [{"master": machine(master=True, address="127.0.0.1", port=1)},
               {SECOND: machine(master=False, address="127.0.0.1", port=second.port)}]
    benchmark = {"prompt": "a star", "negative_prompt": "", "steps": 20, "width": 512, "height": 512, "batch_size": 1}
    (extension / "distributed-config.json").write_text(json.dumps({
        "workers": workers, "benchmark_payload": benchmark, "job_timeout": 100_000, "enabled": True,
        "enabled_i2i": True, "complement_production": False, "step_scaling": False}))


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """Two WebUIs: the first gives half of every batch to the second, which can also make a whole one alone."""
    distributed = copied(DISTRIBUTED, tmp_path_factory.mktemp("distributed"))
    ours = {"sd-webui-indetail": own_copy(tmp_path_factory.mktemp("extension")), "test-probe": HELPER,
            "test-seeding": SEEDING}
    second = Host(find_webui(), tmp_path_factory.mktemp("second"), ours)
    first = Host(find_webui(), tmp_path_factory.mktemp("first"), {**ours, DISTRIBUTED: distributed})
    try:
        second.start()
        share_out(distributed, second)
        yield first.start(), second
    finally:
        first.stop()
        second.stop()


def asked(host: Host, **fields) -> tuple[list[bytes], list[str]]:
    """All pictures, the grids among them, and what is said of each."""
    status, answer = host.ask(save_images=True, **fields)
    assert status == 200, f"{answer}\n{host.tail()}"
    return [base64.b64decode(each) for each in answer["images"]], json.loads(answer["info"])["infotexts"]


def shared(machines, **fields) -> tuple[list[bytes], list[str]]:
    """Made by both; the second one's share is seen in its own process."""
    for machine in machines:
        assert machine.post("/probe/reset")[0] == 200
    made = asked(machines[0], **fields)
    for machine in machines:
        state = machine.get("/probe/state")[1]
        assert state["calls"] and state["hooks"] == 0, machine.tail()
    assert f"'{SECOND}' - " in machines[0].tail(None)
    return made


def alone(machines, **fields) -> tuple[list[bytes], list[str]]:
    assert machines[1].post("/probe/reset")[0] == 200
    return asked(machines[1], **fields)


def alike(first: list[bytes], second: list[bytes]) -> list[bool]:
    """On the Forge family but for rounding, where the size of a batch has its own."""
    assert len(first) == len(second)
    return [difference(*pair) <= (1 if FORGE else 0) for pair in zip(first, second, strict=True)]


JOBS = {"plain": {}, "masks": {"reference_mask": LEFT, "output_mask": LEFT},
        "own values": {"task": "cross-prompt", "blocks": "all", "suffix": ", red"}}


@pytest.mark.parametrize("job", JOBS)
def test_a_txt2img_batch_over_two_machines_is_the_one_machines(machines, picture, job):
    wish = {"image": picture, **WISH, **JOBS[job]}
    made, said = shared(machines, indetail=wish, batch_size=4)
    wanted, told = alone(machines, indetail=wish, batch_size=4)
    assert len(made) == 5 and alike(made, wanted) == [True] * 5
    added = f", Worker Label: {SECOND}"
    assert [text.endswith(added) for text in said] == [False, False, False, True, True]
    assert [text.removesuffix(added) for text in said] == told
    assert not any(alike(made, alone(machines, batch_size=4)[0]))


def test_an_img2img_batch_over_two_machines_is_what_one_makes_of_each_half(machines, picture, other):
    """The host draws all initial latents of a batch in one go, so that only batches of the same size are the same."""
    fields = dict(mode="img2img", indetail={"image": picture, **WISH}, init_images=[other], denoising_strength=0.8)
    made, said = shared(machines, batch_size=4, **fields)
    halves = [alone(machines, batch_size=2, seed=seed, **fields)[0][1:] for seed in (7, 9)]
    assert alike(made[1:], [*halves[0], *halves[1]]) == [True] * 4
    assert [SECOND in text for text in said] == [False, False, False, True, True]


def test_several_pictures_go_to_both_machines(machines, picture, other):
    wish = {"image": picture, **WISH, "images": [{"image": other, "weight": 0.5, "side": "negative"}]}
    made, _ = shared(machines, indetail=wish, batch_size=4)
    assert alike(made, alone(machines, indetail=wish, batch_size=4)[0]) == [True] * 5


def test_off_is_off_on_both_machines(machines):
    made, _ = shared(machines, indetail={"enabled": False}, batch_size=4)
    assert alike(made, alone(machines, batch_size=4)[0]) == [True] * 5
    assert machines[1].get("/probe/state")[1]["records"] == []


@pytest.fixture(scope="module")
def repeating(machines):
    """These machines, where the second one's share of every generation of a job comes back: not only of the first."""
    made, _ = shared(machines, batch_size=4, **plotted(machines[0], ("CFG Scale", "2, 9")))
    if FORGE and pixels(made[1]).shape != pixels(made[2]).shape:
        pytest.skip("NOT THERE: without us too, a second machine's share is lost after a job's first generation "
                    "(Distributed's scripts/distributed.py)")
    return machines


PLOTS = {"Lambda": (".Lambda", "0.1, 0.9"), "Task": (".Task", "image variation, structure-guided")}


@pytest.mark.parametrize("axis", PLOTS)
def test_every_cell_of_a_plot_is_the_one_machines(repeating, picture, axis):
    """With a batch a cell is the grid of all its pictures, the first machine's and the second one's."""
    machines = repeating
    plot = dict(indetail={"image": picture, **WISH}, batch_size=4, **plotted(machines[0], PLOTS[axis]))
    made, _ = shared(machines, **plot)
    wanted, _ = alone(machines, **plot)
    assert alike(made, wanted) == [True] * 3
    assert not same(*made[1:])


def test_a_plots_pictures_reach_the_second_machine_which_has_no_such_folder(repeating, picture, other):
    machines = repeating
    place = machines[0].folder / "indetail_pictures"
    place.mkdir(exist_ok=True)
    for name, each in (("a.png", picture), ("b.png", other)):
        (place / name).write_bytes(base64.b64decode(each))
    made, _ = shared(machines, indetail=WISH, batch_size=4, **plotted(machines[0], (".Image prompt", "a.png, b.png")))
    wanted = [alone(machines, indetail={"image": each, **WISH}, batch_size=4)[0][0] for each in (picture, other)]
    assert alike(made[1:], wanted) == [True, True]


@pytest.mark.parametrize("mode", [ONE, TOGETHER])
def test_many_pictures_are_the_one_machines(machines, picture, other, mode, request):
    if mode == ONE:
        request.getfixturevalue("repeating")
    folder = dict(script_name="InDetail folder", script_args=[mode, [picture, other], ""], indetail=WISH, batch_size=4)
    made, said = shared(machines, **folder)
    wanted, told = alone(machines, **folder)
    assert alike(made, wanted) == [True] * len(wanted)
    assert [text.partition(", Worker Label: ")[0] for text in said] == told
    assert len(made) == {ONE: 10, TOGETHER: 5}[mode]
    assert all("InDetail image: " in text for text in said)


@pytest.fixture(scope="module")
def queueing(tmp_path_factory):
    """A WebUI that can put generations into a queue."""
    scheduler = copied(SCHEDULER, tmp_path_factory.mktemp("scheduler"))
    host = Host(find_webui(), tmp_path_factory.mktemp("queueing"), {
        "sd-webui-indetail": own_copy(tmp_path_factory.mktemp("extension")), "test-probe": HELPER,
        SCHEDULER: scheduler})
    try:
        host.start()
        if FORGE and "No module named 'modules.generation_parameters_copypaste'" in host.tail(None):
            pytest.skip("NOT THERE: what Agent Scheduler imports (modules/generation_parameters_copypaste.py)")
        yield host
    finally:
        host.stop()


def queued(host: Host, before: int) -> bytes:
    """The file of the picture that the queue has made since so many were done."""
    limit = time.monotonic() + 120
    while time.monotonic() < limit:
        done = host.get("/agent-scheduler/v1/history")[1]["tasks"]
        if len(done) > before:
            assert done[0]["status"] == "done", f"{done[0]}\n{host.tail()}"
            saved, = json.loads(done[0]["result"])["images"]
            return (host.webui / saved).read_bytes()
        time.sleep(0.25)
    raise AssertionError(host.tail())


def finished(host: Host) -> int:
    return host.get("/agent-scheduler/v1/history")[1]["total"]


def test_a_job_queued_in_the_page_is_the_one_made_at_once(queueing, browser, picture, other):
    person, before = Person(browser, queueing), finished(queueing)
    person.fill("#txt2img_seed input", 7)
    person.enable()
    person.drop(picture)
    person.own("more").locator(".label-wrap").first.click()
    person.drop(other, "image_2")
    person.set("lambda_image", 0.8)
    person.fill("#txt2img_prompt textarea", "a star")
    person.page.wait_for_timeout(700)
    person.page.locator("#txt2img_enqueue").click()
    made = queued(queueing, before)
    person.generate()
    person.page.wait_for_selector("#txt2img_gallery img", timeout=30_000)
    assert same(made, person.result()) and infotext(made) == infotext(person.result())
    assert all(each in infotext(made) for each in ("InDetail lambda: 0.8", "InDetail image: ", "InDetail 2 image: "))
    assert not same(made, queueing.make(steps=4, cfg_scale=7)[0])
    assert person.own_errors() == []
    person.page.close()


def test_a_job_queued_by_api_is_the_one_made_at_once(queueing, picture):
    before = finished(queueing)
    wish = {"image": picture, **WISH, "lambda_image": 0.8}
    status, answer = queueing.post("/agent-scheduler/v1/queue/txt2img", {
        "prompt": "a star", "seed": 7, "steps": 6, "width": 128, "height": 128, "cfg_scale": 5,
        "sampler_name": "Euler", "scheduler": "Automatic", "alwayson_scripts": {"InDetail": {"args": [wish]}}})
    assert status == 200, answer
    made, wanted = queued(queueing, before), queueing.make(indetail=wish)[0]
    assert same(made, wanted) and not same(made, queueing.make()[0])
    assert "InDetail lambda: 0.8" in infotext(made)
