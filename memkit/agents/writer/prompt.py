"""The writer's prompts, which lie beside this module as text."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def prompt(name: str) -> str:
    """The text of one of the prompts."""
    return files("memkit.agents").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8").strip()
