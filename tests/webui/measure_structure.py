"""Measures structure-guided generation in a real WebUI with ControlNet: `python -m tests.webui.measure_structure`.

For every seed the edges of one shape for ControlNet, and for InDetail a picture of another shape, whose combination of
shape, pattern and colour was never drawn in training; the prompt is empty. A classifier names shape and pattern.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from embedded.checkpoint import load_judge
from embedded.demo import picture_of
from embedded.measure import judged, trial
from embedded.pictures import edge_map, random_scene
from embedded.sheet import Cell, save_sheet
from lib_indetail.pictures.convert import picture_tensor
from tests.webui.host import Host, encoded, find_webui, own_copy, with_controlnet
from tests.webui.test_controlnet import units

ARMS = {"ControlNet alone": None, "decoder blocks": "decoder", "all blocks": "all"}
SETTINGS = {"task": "structure-guided", "inversion_text": "empty"}


def pictures_of(host: Host, seed: int) -> tuple[Image.Image, dict[str, Image.Image]]:
    """The edges of a seed, and what every arm makes of them."""
    scene, shape = trial(seed)
    edges = Image.fromarray(edge_map(random_scene(np.random.default_rng([79, seed]), shape=shape)))
    fields = {"prompt": "", "seed": seed, "steps": 20, "cfg_scale": 5, "sampler_name": "DDIM",
              **units({"image": encoded(edges)})}
    made = {}
    for arm, blocks in ARMS.items():
        image = blocks and {**SETTINGS, "blocks": blocks, "image": encoded(picture_of(scene))}
        png = host.make(indetail=image, **fields)[0]
        made[arm] = Image.open(io.BytesIO(png)).convert("RGB")
    return edges, made


def main(folder: Path, count: int) -> None:
    judge = load_judge()
    figures: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    rows = []
    with tempfile.TemporaryDirectory() as data:
        extensions = {"sd-webui-indetail": own_copy(Path(data, "copy")), **with_controlnet()}
        host = Host(find_webui(), Path(data, "webui"), extensions)
        try:
            host.start()
            for seed in tqdm(range(count)):
                scene, shape = trial(seed)
                edges, made = pictures_of(host, seed)
                for arm, picture in made.items():
                    figures[arm].append(judged(judge, picture_tensor(picture)[0], scene, shape))
                rows.append([Cell(edges, "edges"), Cell(picture_of(scene), f"{scene.material.pattern} {scene.shape}"),
                             *(Cell(picture, arm) for arm, picture in made.items())])
        finally:
            host.stop()
    folder.mkdir(parents=True, exist_ok=True)
    save_sheet(folder / "structure_guided.png", "structure-guided, in the WebUI with ControlNet", rows[:8])
    for arm, each in figures.items():
        print(arm, {name: round(float(np.mean([one[name] for one in each])), 3) for name in each[0]}, f"of {count}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
