"""Every picture of a folder at several lambdas, through the WebUI's API.

    python examples/sweep.py PICTURES RESULTS --prompt "a chair" --lambdas 0.3 0.5 0.7

needs nothing but Python, and a WebUI that was started with --api. It ends with 1 if a picture could not be used.
"""

import argparse
import base64
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


def generate(url: str, picture: bytes, lambda_image: float, prompt: str, **fields) -> bytes:
    """The PNG file of one generation. Raises RuntimeError with the WebUI's own sentence if it refuses."""
    indetail = {"image": base64.b64encode(picture).decode(), "lambda_image": lambda_image}
    body = {"prompt": prompt, **fields, "alwayson_scripts": {"InDetail": {"args": [indetail]}}}
    request = urllib.request.Request(f"{url}/sdapi/v1/txt2img", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return base64.b64decode(json.load(answer)["images"][0])
    except urllib.error.HTTPError as error:
        said = json.load(error)
        raise RuntimeError(said.get("errors") or said.get("detail")) from None


def main() -> int:
    parser = argparse.ArgumentParser(description="A lambda sweep over a folder of image prompts.")
    parser.add_argument("pictures", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    parser.add_argument("--prompt", default="")
    parser.add_argument("--lambdas", type=float, nargs="+", default=[0.3, 0.5, 0.7])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    asked.results.mkdir(parents=True, exist_ok=True)
    failed = 0
    for path in sorted(path for path in asked.pictures.iterdir() if path.suffix.lower() in SUFFIXES):
        for each in asked.lambdas:
            result = asked.results / f"{path.stem}-lambda-{each:g}.png"
            try:
                result.write_bytes(generate(asked.url, path.read_bytes(), each, asked.prompt, steps=asked.steps,
                                            width=asked.size, height=asked.size, seed=asked.seed))
                print(result)
            except RuntimeError as error:
                print(f"{path.name}: {error}", file=sys.stderr)
                failed = 1
                break
    return failed


if __name__ == "__main__":
    sys.exit(main())
