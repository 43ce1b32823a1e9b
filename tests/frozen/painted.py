"""Paints with the embedded model of the tree that is named first, into the file named second; run as a script.

The third argument is a JSON object of settings that stand under those of each wish, so that a later default changes
nothing. The file holds latents by name, and the settings that the tree knows with their defaults.
"""

from __future__ import annotations

import json
import sys

TWO = {"weight": 0.6}
WISHES = {
    "variation": {}, "cross-prompt": {"inversion_text": "empty"}, "conflicting": {"guidance": 0.0},
    "lambda": {"lambda_image": 0.8, "stratified_until": 1.0}, "concatenation": {"stratified_until": 0.0},
    "replacement": {"replacement_until": 0.5}, "window": {"start": 0.2, "end": 0.7, "adain": 0.5},
    "refined": {"inversion": "refined"}, "re-noise": {"inversion": "re-noise"}, "one pass": {"inversion": "one pass"},
    "parallel": {"inversion": "parallel"}, "fine blocks": {"block_weights": "detail", "blocks": "all"},
    "colour match": {"colour_match": 0.7}, "offset": {"inversion_offset": 0.3}, "not wanted": {"side": "negative"},
}
SAMPLERS = ("ddim", "euler", "dpmpp_2m", "heun", "dpmpp_sde")


def painted(under: dict) -> dict:
    import torch

    from embedded.checkpoint import load_control, load_model
    from embedded.demo import edge_map, picture_of, unseen
    from embedded.generate import Request, Settings, generate, prepare

    model, made = load_model(), {}
    names = [name for name in under if name in Settings.__dataclass_fields__]
    pictures = [model.encode(_tensor(picture_of(unseen(seed, *kind))))
                for seed, kind in enumerate((("circle", "dotted"), ("heart", "striped")))]

    def image(wish: dict, number: int = 1, **more):
        import dataclasses

        settings = Settings(**{**{name: under[name] for name in names}, "nodes": 8, **wish})
        return dataclasses.replace(prepare(model, pictures[number - 1], "a circle", settings), number=number, **more)

    for name, wish in WISHES.items():
        made[name] = generate(model, Request("a star", (1, 2), steps=6), image(wish))
    for sampler in SAMPLERS:
        made[sampler] = generate(model, Request("a star", (3,), steps=5, sampler=sampler), image({}))
    half = torch.zeros(16, 16)
    half[:, :9] = 1
    made["two"] = generate(model, Request("a star", (1, 2), steps=6), [image({}), image(TWO, 2)])
    made["two halves"] = generate(model, Request("a star", (1,), steps=6),
                                  [image({}, put=half), image({}, 2, put=1 - half, take=_padding(half > 0))])
    made["img2img"] = generate(model, Request("a star", (1,), steps=8, initial=pictures[1], denoising=0.6), image({}))
    made["plain"] = generate(model, Request("a star", (1,), steps=6))
    hint = torch.from_numpy(edge_map(unseen(5, "star", "dotted"))).permute(2, 0, 1)[None].float() / 255
    made["structure"] = generate(model, Request("", (1, 2), steps=6, hint=hint), image({"stratified_until": 0.5}),
                                 load_control())
    return made


def _padding(content):
    """Trees of up to 0.8.0 have a tensor of bool for it."""
    try:
        from lib_indetail.noise.mask import Mask
    except ImportError:
        return content
    return Mask(content.float(), hard=True)


def _tensor(picture):
    import numpy as np
    import torch

    return torch.from_numpy(np.array(picture, np.float32)).permute(2, 0, 1)[None] / 127.5 - 1


def main(tree: str, file: str, under: str) -> None:
    sys.path[0] = tree
    import torch
    from safetensors.torch import save_file

    from embedded.generate import Settings  # wherever the tree has it

    known = {name: field.default for name, field in Settings.__dataclass_fields__.items()}
    with torch.no_grad():
        made = painted(json.loads(under) or known)
    save_file({name: latents.contiguous() for name, latents in made.items()}, file, {"known": json.dumps(known)})


if __name__ == "__main__":
    main(*sys.argv[1:])
