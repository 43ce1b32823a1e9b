"""Which prompts may stand beside a generation's own in one sampling call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from modules import extra_networks, prompt_parser

from lib_indetail.errors import BadSetting


def refuse_parts(label: str, prompts: Sequence[str]) -> None:
    """Raises BadSetting for prompts of several AND parts, each of which has rows of its own."""
    for prompt in prompts:
        bare, _ = extra_networks.parse_prompt(prompt)
        (parts, *_), _, _ = prompt_parser.get_multicond_prompt_list([bare])
        if len(parts) > 1:
            raise BadSetting("must be without AND where images are interpolated.", label, prompt)


def refuse_networks(label: str, prompt: str, own: Mapping[str, Sequence]) -> None:
    """Raises BadSetting for tags of extra networks that the generation's own prompt lacks: what is loaded is in force
    for all rows."""
    _, wanted = extra_networks.parse_prompt(prompt)
    for kind, networks in wanted.items():
        known = [each.items for each in own.get(kind, ())]
        for network in networks:
            if network.items not in known:
                tag = f"<{kind}:{':'.join(map(str, network.items))}>"
                raise BadSetting(f"has {tag}, which the prompt itself lacks: a network acts on all images of a strip.",
                                 label, prompt)
