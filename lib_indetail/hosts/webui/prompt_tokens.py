"""The tokens of a prompt, as the WebUI cuts it into chunks of 75, and where their rows are."""

from __future__ import annotations

from collections.abc import Iterator

from modules import sd_hijack_open_clip

from lib_indetail.run.host import Token

CHUNK = 77
"""Rows of a chunk: its tokens stand between a start and an end."""
_END_OF_WORD = "</w>"


def tokens(sd_model, prompt: str) -> list[Token]:
    """In their order, emphasis applied; a textual inversion is one, with all its places. SDXL's encoders share the
    tokens, and so the places."""
    encoder = next(each for each in _encoders(sd_model) if hasattr(each, "tokenize_line"))
    chunks, _ = encoder.tokenize_line(prompt)
    return [token for number, chunk in enumerate(chunks) for token in _of_chunk(encoder, chunk, number * CHUNK)]


def _of_chunk(encoder, chunk, first: int) -> Iterator[Token]:
    ids = chunk.tokens[1:-1]
    while ids and ids[-1] == encoder.id_end:
        ids = ids[:-1]
    embedded = {fix.offset: fix.embedding for fix in chunk.fixes}
    place = 0
    while place < len(ids):
        count = int(embedded[place].vectors) if place in embedded else 1
        text = embedded[place].name if place in embedded else _text(encoder, ids[place])
        yield Token(text, tuple(first + 1 + place + each for each in range(count)))
        place += count


def _text(encoder, number: int) -> str:
    own = getattr(encoder.wrapped, "tokenizer", None)
    text = sd_hijack_open_clip.tokenizer.decoder[number] if own is None else own.convert_ids_to_tokens(number)
    return text.removesuffix(_END_OF_WORD)


def _encoders(sd_model) -> list:
    return list(sd_model.conditioner.embedders) if hasattr(sd_model, "conditioner") else [sd_model.cond_stage_model]
