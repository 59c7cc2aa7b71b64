"""docs/cli.md quotes the help of every command, as it is."""

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memkit.cli import app

Command = Callable[..., Any]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")

renewed: Callable[[str], str] = runpy.run_path(str(ROOT / "docs" / "regenerate.py"))["renewed"]


def test_the_quoted_help_is_the_real_one() -> None:
    assert renewed(PAGE) == PAGE, "docs/cli.md is out of date; run docs/regenerate.py"


def test_a_change_of_the_help_would_be_noticed() -> None:
    assert renewed(PAGE.replace("Remember a text", "Forget a text")) == PAGE


def commands(typer: Any = app, before: str = "") -> list[str]:
    names = [f"{before}{command.name or command.callback.__name__}" for command in typer.registered_commands]
    for group in typer.registered_groups:
        names += [f"{before}{group.name}", *commands(group.typer_instance, f"{before}{group.name} ")]
    return names


@pytest.mark.parametrize("name", commands())
def test_every_command_is_quoted_and_has_an_example(memkit: Command, name: str) -> None:
    assert f"<!-- quoted: memkit {name} --help -->" in PAGE
    text = memkit(*name.split(), "--help").out
    assert "Usage: memkit" in text
    assert "Commands:" in text or re.search(rf"Examples?:\n(    .*\n)*    .*memkit {name}", text)


VARYING = {r"\b[0-9a-f]{32}\b": "ID", r"\b20\d\d-\d\d-\d\d\b": "DAY", r"\b0\.\d\d\b": "SCORE"}


def settled(text: str) -> str:
    for pattern, name in VARYING.items():
        text = re.sub(pattern, name, text)
    return text


@pytest.mark.parametrize("block", re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL))
def test_the_examples_print_what_the_page_says(memkit: Command, block: str) -> None:
    for example in block.split("$ memkit ")[1:]:
        line, _, output = example.partition("\n")
        arguments = [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', line)]
        assert settled(memkit(*arguments).out) == settled(output)
