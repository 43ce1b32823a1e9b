"""HTTP routes under /indetail: version, settings, inversion, cache. They ask for the host's own credentials."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from secrets import compare_digest
from typing import Any

import fastapi
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from modules import shared

from lib_indetail import __version__
from lib_indetail.ask.forms import DEFAULT_TASK, FIELDS, FIELDS_OF_PROMPTS, OLDER_FIELDS
from lib_indetail.ask.page_order import POSITIONS
from lib_indetail.ask.presets import BUILT_IN
from lib_indetail.ask.settings import TASKS, Settings
from lib_indetail.errors import BadPicture, BadSetting, CannotAct, Interrupted
from lib_indetail.hosts.webui.page.preview import previewed
from lib_indetail.hosts.webui.refusal import refusal
from lib_indetail.hosts.webui.runtime import runtime
from lib_indetail.pictures.convert import data_uri, picture_hash

SIZE = dict(low=64, high=4096, multiple=8)
_BASIC = fastapi.Depends(HTTPBasic(auto_error=False))
_BODY = fastapi.Body(...)


def add_routes(demo, app: fastapi.FastAPI) -> None:
    """Where the host offers its API; without --api it has no routes of its own either."""
    if demo is not None and not shared.cmd_opts.api:
        return
    router = fastapi.APIRouter(prefix="/indetail", tags=["InDetail"], dependencies=[fastapi.Depends(_admission(app))])
    router.add_api_route("/version", version, summary="InDetail's version")
    router.add_api_route("/settings", settings, summary="Every field that a request may have")
    router.add_api_route("/invert", invert, methods=["POST"], openapi_extra=_invert_body(),
                         summary="What the model makes of an image prompt: inverted and sampled back without guidance")
    router.add_api_route("/cache", runtime.counts, summary="What is kept of inverted image prompts")
    router.add_api_route("/cache", forget, methods=["DELETE"],
                         summary="Forget all inverted image prompts, also on disk")
    router.add_api_route("/presets", presets, summary="All presets, and what is not understood of them")
    router.add_api_route("/presets", save_preset, methods=["PUT"], summary="Save one: its name, and settings by name")
    router.add_api_route("/presets/rename", rename_preset, methods=["POST"], summary="Give one another name")
    router.add_api_route("/presets", delete_preset, methods=["DELETE"], summary="Delete one")
    app.include_router(router)


def version() -> dict[str, str]:
    return {"version": __version__}


def settings() -> dict[str, Any]:
    """The table of settings, the tasks with what they set, the fields of a request and of each of its prompts, and the
    order of positional arguments."""
    table = [{"name": setting.name, "default": setting.default,
              **{name: value for name, value in setting.metadata.items() if not callable(value)}}
             for setting in dataclasses.fields(Settings)]
    return {"settings": table, "tasks": TASKS, "order": POSITIONS,
            "fields": tuple(dict.fromkeys((*FIELDS, *OLDER_FIELDS))), "fields_of_prompts": FIELDS_OF_PROMPTS,
            "fields_of_images": FIELDS_OF_PROMPTS}


def invert(body: dict = _BODY) -> dict[str, Any]:
    """The reconstruction as base64 PNG, its relative error in the latent and its PSNR in dB, and what it took."""
    fields = dict(body)
    try:
        prompt = fields.pop("prompt", "")
        if not isinstance(prompt, str):
            raise BadSetting("Prompt must be a text.")
        width, height = (_side(name, fields.pop(name, 512)) for name in ("width", "height"))
        seen = previewed(runtime.request([fields]), prompt, width, height)
    except (BadSetting, BadPicture, CannotAct) as error:
        raise refusal(error) from None
    except Interrupted as error:
        raise fastapi.HTTPException(409, "The inversion was interrupted.") from error
    return {"image": data_uri(seen.image).partition(",")[2], "latent_error": seen.error.latent, "psnr": seen.error.psnr,
            "note": seen.note, "picture": picture_hash(seen.picture)}


def forget() -> dict[str, int]:
    """What was forgotten."""
    forgotten = runtime.counts()
    runtime.forget()
    return forgotten


def presets() -> dict[str, Any]:
    """By name: values that differ from the defaults, what speaks for them, and what is not understood."""
    with _refusals():
        own = {name: runtime.presets.get(name) for name in runtime.presets.names()}
    return {"presets": {name: {"values": each.values, "why": each.why, "not_understood": each.strange,
                               "built_in": name in BUILT_IN} for name, each in own.items()},
            "notes": runtime.presets.notes()}


def save_preset(body: dict = _BODY) -> dict[str, Any]:
    fields = dict(body)
    with _refusals():
        runtime.presets.save(fields.pop("name", None), fields)
    return presets()


def rename_preset(body: dict = _BODY) -> dict[str, Any]:
    with _refusals():
        runtime.presets.rename(body.get("name"), body.get("to"))
    return presets()


def delete_preset(name: str) -> dict[str, Any]:
    with _refusals():
        runtime.presets.delete(name)
    return presets()


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except BadSetting as error:
        raise refusal(error) from None


def _admission(app: fastapi.FastAPI) -> Callable:
    """The host's own doors: --api-auth's names and passwords, and being logged in to the page where it asks for it."""
    pairs = (shared.cmd_opts.api_auth or "").split(",")
    users = dict(pair.split(":", 1) for pair in pairs if pair)

    def admitted(request: fastapi.Request, basic: HTTPBasicCredentials | None = _BASIC) -> None:
        page_asks = getattr(app, "auth", None) is not None
        if not users and not page_asks:
            return
        if basic and basic.username in users and _same(basic.password, users[basic.username]):
            return
        if page_asks and _logged_in(app, request):
            return
        raise fastapi.HTTPException(401, "Not authenticated", {"WWW-Authenticate": "Basic"} if users else None)

    return admitted


def _same(given: str, wanted: str) -> bool:
    return compare_digest(given.encode(), wanted.encode())


def _logged_in(app: fastapi.FastAPI, request: fastapi.Request) -> bool:
    token = request.cookies.get("access-token") or request.cookies.get("access-token-unsecure")
    return bool(token) and app.tokens.get(token) is not None


def _side(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value % SIZE["multiple"] \
            or not SIZE["low"] <= value <= SIZE["high"]:
        raise BadSetting(f"{name.capitalize()} must be a multiple of {SIZE['multiple']} from {SIZE['low']} to "
                         f"{SIZE['high']}.")
    return value


def _invert_body() -> dict[str, Any]:
    """The request's schema for the host's OpenAPI page, from the table."""
    properties: dict[str, Any] = {
        "image": {"type": "string", "description": "The image prompt, as base64 or as a data URI."},
        "prompt": {"type": "string", "default": "", "description": "For the inversion text."},
        "width": {"type": "integer", "default": 512}, "height": {"type": "integer", "default": 512},
        "preset": {"type": "string", "description": "The name of settings that stand under the others."},
        "task": {"type": "string", "enum": list(TASKS), "default": DEFAULT_TASK}}
    for setting in dataclasses.fields(Settings):
        properties[setting.name] = _property(setting)
    schema = {"title": "Inversion", "type": "object", "required": ["image"], "properties": properties,
              "additionalProperties": False}
    return {"requestBody": {"content": {"application/json": {"schema": schema}}, "required": True}}


def _property(setting: dataclasses.Field) -> dict[str, Any]:
    meta, kind = setting.metadata, type(setting.default)
    known = {"title": meta["label"], "description": meta["help"], "default": setting.default,
             "type": {float: "number", int: "integer", str: "string"}[kind]}
    if "choices" in meta:
        return {**known, "enum": list(meta["choices"])}
    return {**known, "minimum": meta["low"], "maximum": meta["high"]} if "low" in meta else known
