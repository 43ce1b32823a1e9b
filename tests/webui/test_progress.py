"""The host's bar only ever goes forward, with a text at every moment, and at the end it is said what reading took."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator

import pytest
from PIL import Image

from lib_indetail.pictures.opening import decoded_picture
from tests.webui.host import Host, encoded, paper

HIRES = dict(enable_hr=True, hr_scale=1.5, hr_upscaler="Latent", denoising_strength=0.7)
RUNS = {"one picture": {}, "batch count": dict(n_iter=3), "hires fix": HIRES, "all of it": dict(n_iter=2, **HIRES),
        "img2img": dict(mode="img2img", denoising_strength=0.7, n_iter=2)}


def turned(picture: str) -> str:
    return encoded(decoded_picture(picture).transpose(Image.Transpose.ROTATE_90))


def goes_forward(bar: list[float]) -> bool:
    return bar == sorted(bar)


@contextlib.contextmanager
def watched(host: Host) -> Iterator[list[tuple[float, str]]]:
    """What the API says meanwhile: the bar and its text, as often as it answers."""
    seen: list[tuple[float, str]] = []
    done = threading.Event()

    def watch():
        while not done.is_set():
            answer = host.get("/sdapi/v1/progress?skip_current_image=true")[1]
            seen.append((answer["progress"], answer["textinfo"] or ""))
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("count", [1, 2])
def test_the_bar_goes_forward_with_a_text_at_every_moment(host, picture, name, count):
    wish = {"image": picture, **paper(60), "images": [{"image": turned(picture)}] * (count - 1)}
    fields = {**RUNS[name], "steps": 8}
    if fields.get("mode") == "img2img":
        fields["init_images"] = [picture]
    with watched(host) as seen:
        host.make(indetail=wish, **fields)
    running = [each for each in seen if each[0] > 0.01]
    bar = [progress for progress, _ in running]
    assert len(bar) > 20 and goes_forward(bar) and bar[-1] <= 1
    ours = [number for number, (_, text) in enumerate(seen) if "InDetail: " in text]
    assert all(text for _, text in seen[ours[0]:ours[-1]])
    said = {re.sub(r", \d+ of \d+$", "", text) for _, text in seen if text}
    names = ["the image prompt"] if count == 1 else ["image prompt 1", "image prompt 2"]
    assert {f"InDetail: inverting {each}" for each in names} <= said and "InDetail: sampling" in said
    assert seen[-1][1] in ("", "InDetail: sampling") and host.get("/sdapi/v1/progress")[1]["textinfo"] is None


def test_the_inversion_is_counted_in_its_text(host, picture):
    with watched(host) as seen:
        host.make(indetail={"image": picture, **paper(200)})
    counts = [int(found[1]) for _, text in seen
              if (found := re.search(r"inverting the image prompt, (\d+) of 200", text))]
    assert len(counts) > 3 and counts == sorted(counts)


def test_the_folder_scripts_own_text_stands_in_front(host, picture):
    with watched(host) as seen:
        status, answer = host.ask(indetail=paper(60), script_name="InDetail folder",
                                  script_args=["one picture per generation", [picture, turned(picture)], ""])
    assert status == 200, answer
    bar = [progress for progress, _ in seen if progress > 0.01]
    assert goes_forward(bar)
    texts = [text for _, text in seen]
    for number in (1, 2):
        begins = f"image prompt {number} of 2: image prompt {number}; InDetail: inverting"
        assert any(text.startswith(begins) for text in texts)
    assert not any(text.count("InDetail: ") > 1 or text.count(" of 2: ") > 1 for text in texts)


def test_at_the_end_it_is_said_how_long_reading_took_and_of_what(host, picture):
    def comments(**fields) -> str:
        host.post("/probe/forget")
        host.make(indetail={"image": picture, **paper(20), **fields})
        return " ".join(host.get("/probe/state")[1]["comments"])

    took = r"\d+\.\d s"
    assert re.search(rf"InDetail: the image prompt was inverted in {took}, and read at 6 noise levels in {took}\.",
                     comments())
    assert "InDetail: the image prompt's inversion was still there." in comments()
    assert re.search(rf"the image prompt's inversion was still there, and read at 6 noise levels in {took}",
                     comments(blocks="all"))
    host.options(indetail_bank_mb=0)
    assert "; there is no room for 6 noise levels, which are read while sampling." in comments()
    host.options(indetail_bank_mb=-1)
    several = comments(images=[{"image": turned(picture)}], guidance=0.5)
    assert re.search(rf"image prompt 2: the image prompt was inverted in {took}, and read at 12 noise levels in {took}",
                     several)


def test_nothing_is_told_where_it_is_off(host, picture):
    for indetail in (None, {"image": picture, "strength": 0}, {"enabled": False}):
        with watched(host) as seen:
            host.make(indetail=indetail, steps=8)
        assert not any(text for _, text in seen)


def test_a_refusal_leaves_no_text(host, picture):
    for what, fields in ((None, {"indetail": {"image": encoded(b"none")}}), ("SD Unet", {}), ("NaN of the VAE", {}),
                         ("tiles", {})):
        if what:
            host.post("/probe/obstacle", {"what": what})
        assert host.ask(**{"indetail": {"image": picture}, **fields})[0] == 422
        assert host.get("/sdapi/v1/progress")[1]["textinfo"] is None
        host.post("/probe/reset")
    with watched(host) as seen:
        host.make(indetail={"image": picture}, n_iter=2)
    assert not any(text.count("InDetail: ") > 1 for _, text in seen)


def test_the_number_of_jobs_stays_so_that_one_image_can_be_interrupted_at_once(host, picture):
    """The host's Interrupt lets an image be finished where it counts more jobs than one."""
    counts: set[int] = set()
    done = threading.Event()

    def watch():
        while not done.is_set():
            counts.add(host.get("/sdapi/v1/progress?skip_current_image=true")[1]["state"]["job_count"])

    watcher = threading.Thread(target=watch)
    watcher.start()
    host.make(indetail={"image": picture, **paper(60)})
    done.set()
    watcher.join()
    assert max(counts) == 1


def test_a_preview_leaves_no_text(host, picture):
    for fields in ({"image": picture}, {"image": encoded(Image.new("RGB", (4000, 3))), "resize": "fit"}):
        host.post("/indetail/invert", {"width": 128, "height": 128, **fields})
        assert host.get("/sdapi/v1/progress")[1]["textinfo"] is None


@pytest.mark.parametrize("sampler", ["Euler", "Heun", "DPM++ SDE", "DDIM"])
def test_extensions_are_told_the_hosts_own_steps(host, picture, sampler):
    told = []
    for indetail in (None, {"image": picture, **paper(10)}):
        host.post("/probe/forget")
        host.make(indetail=indetail, sampler_name=sampler, steps=5)
        told.append(host.get("/probe/state")[1]["steps"])
    assert told[0] == told[1] and len(told[0]) >= 4
