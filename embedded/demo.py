"""The demo: image prompting with the embedded model on pictures it has never seen, or on a person's own."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from embedded.checkpoint import CHECKPOINT, LatentDiffusion, load_control, load_model
from embedded.generate import Request, generate, prepare
from embedded.pictures import SIZE, Scene, draw, edge_map, random_scene, with_article
from embedded.sheet import Cell, save_sheet
from lib_indetail.ask.settings import TASKS, Settings
from lib_indetail.errors import BadPicture, BadSetting
from lib_indetail.pictures.convert import picture_tensor, tensor_picture
from lib_indetail.pictures.opening import open_picture
from lib_indetail.pictures.placing import cropped
from lib_indetail.run.prepared import Prepared

OUTPUTS = Path("outputs")
BLOCKS = "all"  # measured on the embedded model: carries the pattern far better than the decoder alone
GUIDANCE_SCALE = 5.0
STEPS = 20
SMALL_MODEL = ("Note: the embedded model has seen nothing but drawn shapes, 128 x 128. It can take colours and plain "
               "patterns from your picture; for photographs use the WebUI with a real checkpoint.")


def main(arguments: list[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    try:
        settings = _settings(options)
        picture = open_picture(options.image) if options.image else None
        _check_request(options)
    except (BadSetting, BadPicture) as error:
        sys.exit(str(error))
    if not CHECKPOINT.exists():
        sys.exit(f"The embedded model's weights are not at {CHECKPOINT}; `python -m embedded.train` makes them.")
    demo = Demo(load_model(), options.outputs)
    written = demo.own(picture, options, settings) if picture else demo.everything()
    print("\nWritten:")
    for path in written:
        print(f"  {path}")
    if picture:
        print(SMALL_MODEL)


class Demo:
    """Makes the demo's sheets with one loaded model."""

    def __init__(self, model: LatentDiffusion, outputs: Path):
        self.model, self.outputs = model, outputs

    def everything(self) -> list[Path]:
        return [self.image_variation(), self.cross_prompt(), self.structure_guided(), self.lambda_sweep(),
                self.conflict_free()]

    def image_variation(self) -> Path:
        rows = []
        for seed, (shape, pattern) in enumerate((("heart", "checked"), ("ring", "striped"), ("cross", "dotted"))):
            scene = unseen(seed, shape, pattern)
            prompt = with_article(shape)
            settings = Settings.of({"blocks": BLOCKS}, "image variation")
            image = self.invert(scene, prompt, settings, f"variation of {shape}")
            plain = self.paint(Request(prompt, (10,)), None, "text only")
            made = self.paint(Request(prompt, (10, 11, 12)), image, f"variation of {shape}")
            rows.append([Cell(picture_of(scene), "image prompt"), Cell(plain[0], f'text only: "{prompt}"'),
                         *(Cell(each, f'"{prompt}", seed {seed}')
                           for seed, each in zip((10, 11, 12), made, strict=True))])
        return save_sheet(self.outputs / "1_image_variation.png", "Image variation: same text, same details", rows)

    def cross_prompt(self) -> Path:
        prompts = [with_article(shape) for shape in ("star", "heart", "arrow", "square")]
        rows = []
        for seed, (shape, pattern) in enumerate((("circle", "dotted"), ("square", "diagonal"), ("flower", "gridded"))):
            scene = unseen(20 + seed, shape, pattern)
            settings = Settings.of({"blocks": BLOCKS}, "cross-prompt")
            image = self.invert(scene, "", settings, f"cross-prompt, {pattern} {shape}")
            made = [self.paint(Request(prompt, (3,)), image, prompt)[0] for prompt in prompts]
            rows.append([Cell(picture_of(scene), "image prompt"), *map(Cell, made, (f'"{p}"' for p in prompts))])
        plain = [self.paint(Request(prompt, (3,)), None, f"{prompt}, text only")[0] for prompt in prompts]
        blank = Image.new("RGB", (SIZE, SIZE), "white")
        rows.append([Cell(blank, "no image prompt"), *map(Cell, plain, (f'"{p}"' for p in prompts))])
        return save_sheet(self.outputs / "2_cross_prompt.png", "Cross-prompt: text says what, the picture how", rows)

    def structure_guided(self) -> Path:
        control, rows = load_control(), []
        wishes = ("circle", "striped", "star"), ("heart", "latticed", "arrow")
        for seed, (shape, pattern, wanted) in enumerate(wishes):
            scene, outline = unseen(40 + seed, shape, pattern), unseen(50 + seed, wanted, "dotted")
            hint = torch.from_numpy(edge_map(outline)).permute(2, 0, 1)[None].float() / 255
            settings = Settings.of({"blocks": BLOCKS, "inversion_text": "empty"}, "structure-guided")
            image = self.invert(scene, "", settings, f"structure-guided, {pattern} {shape}")
            made = self.paint(Request("", (5, 6, 7), hint=hint), image, "structure-guided", control)
            rows.append([Cell(picture_of(scene), "image prompt"), Cell(Image.fromarray(edge_map(outline)), "edge map"),
                         *(Cell(each, f"no text, seed {seed}") for seed, each in zip((5, 6, 7), made, strict=True))])
        return save_sheet(self.outputs / "3_structure_guided.png", "Structure-guided: the ControlNet says where", rows)

    def lambda_sweep(self) -> Path:
        scene, prompt = unseen(60, "circle", "checked"), "a star"
        lambdas = (0.0, 0.25, 0.5, 0.75, 1.0)
        image = self.invert(scene, "", Settings.of({"blocks": BLOCKS}, "cross-prompt"), "lambda sweep")
        row = [Cell(picture_of(scene), "image prompt")]
        for value in lambdas:
            settings = dataclasses.replace(image.settings, lambda_image=value, stratified_until=1.0)
            made = self.paint(Request(prompt, (8,)), dataclasses.replace(image, settings=settings), f"lambda {value}")
            row.append(Cell(made[0], f"lambda {value}"))
        return save_sheet(self.outputs / "4_lambda_sweep.png", 'Lambda, stratified throughout: "a star"', [row])

    def conflict_free(self) -> Path:
        scene, prompt = unseen(70, "square", "barred"), "a heart"
        rows = []
        for guidance, name in ((1.0, "conflict-free"), (0.0, "conflicting")):
            settings = Settings.of({"blocks": BLOCKS, "guidance": guidance}, "cross-prompt")
            image = self.invert(scene, "", settings, name)
            made = self.paint(Request(prompt, (1, 2, 3)), image, name)
            rows.append([Cell(picture_of(scene), "image prompt"),
                         *(Cell(each, f"{name}, seed {seed}") for seed, each in zip((1, 2, 3), made, strict=True))])
        title = 'Conflict-free beside conflicting guidance: "a heart"'
        return save_sheet(self.outputs / "5_conflict_free.png", title, rows)

    def own(self, picture: Image.Image, options: argparse.Namespace, settings: Settings) -> list[Path]:
        """A person's picture and prompt."""
        picture = cropped(picture, SIZE, SIZE)
        seeds = tuple(range(options.seed, options.seed + options.count))
        image = self.invert(picture, options.prompt, settings, "your picture")
        request = Request(options.prompt, seeds, options.negative, options.cfg, options.steps)
        made = self.paint(request, image, "your picture")
        row = [Cell(picture, "image prompt"), *(Cell(each, f'"{options.prompt}", seed {seed}')
                                                for seed, each in zip(seeds, made, strict=True))]
        return [save_sheet(self.outputs / "own.png", options.task or "own settings", [row])]

    def invert(self, picture: Scene | Image.Image, prompt: str, settings: Settings, what: str) -> Prepared | None:
        picture = picture_of(picture) if isinstance(picture, Scene) else picture
        with Bar(f"{what}: inversion") as bar:
            return prepare(self.model, self.model.encode(picture_tensor(picture)), prompt, settings, bar)

    def paint(self, request: Request, image: Prepared | None, what: str, control=None) -> list[Image.Image]:
        with Bar(what) as bar:
            latents = generate(self.model, dataclasses.replace(request, progress=bar), image, control)
        return [tensor_picture(each) for each in self.model.decode(latents)]


class Bar:
    """A progress bar that takes (done, total)."""

    def __init__(self, what: str):
        self._bar = tqdm(desc=f"{what:<34.34}", ncols=90, bar_format="{desc} {bar} {n}/{total}")

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_) -> None:
        self._bar.close()

    def __call__(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)


def unseen(seed: int, shape: str, pattern: str) -> Scene:
    """A picture of a shape x pattern x colour combination that was never drawn in training."""
    return random_scene(np.random.default_rng([2026, seed]), shape=shape, pattern=pattern, held_out=True)


def picture_of(scene: Scene) -> Image.Image:
    return Image.fromarray(draw(scene))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="demo.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--image", help="your picture; without it the demo shows everything")
    parser.add_argument("--prompt", default="", help="what to make of it; the model knows shapes, as in 'a star'")
    parser.add_argument("--negative", default="", help="negative prompt")
    parser.add_argument("--task", help=f"preset: {', '.join(TASKS)}")
    parser.add_argument("--cfg", type=float, default=GUIDANCE_SCALE, help="guidance scale")
    parser.add_argument("--steps", type=int, default=STEPS, help="DDIM steps, 2 to 200")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=4, help="how many pictures, 1 to 16")
    parser.add_argument("--outputs", type=Path, default=OUTPUTS, help="folder to write to")
    for setting in dataclasses.fields(Settings):
        parser.add_argument(_flag(setting.name), dest=f"setting_{setting.name}", metavar="VALUE",
                            help=setting.metadata["help"].replace("%", "%%"))
    return parser


def _flag(name: str) -> str:
    return "--" + name.removesuffix("_image").replace("_", "-")


def _settings(options: argparse.Namespace) -> Settings:
    """The settings given on the command line over the task's preset, with the demo's choice of blocks."""
    given = {"blocks": BLOCKS}
    for setting in dataclasses.fields(Settings):
        text = getattr(options, f"setting_{setting.name}")
        if text is not None:
            given[setting.name] = text if isinstance(setting.default, str) else _number(text)
    return Settings.of(given, options.task)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _check_request(options: argparse.Namespace) -> None:
    if not 1 <= options.count <= 16:
        raise BadSetting(f"--count must be 1 to 16, not {options.count}.")
    if not 2 <= options.steps <= 200:
        raise BadSetting(f"--steps must be 2 to 200, not {options.steps}.")
    if not 1 <= options.cfg <= 30:
        raise BadSetting(f"--cfg must be 1 to 30, not {options.cfg}.")
    if not options.image and (options.prompt or options.task):
        raise BadSetting("--prompt and --task need --image, the picture to take the details from.")
