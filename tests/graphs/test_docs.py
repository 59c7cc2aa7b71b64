"""The pictures in the docs show what the program reads and draws now."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
SCRIPT: dict[str, Any] = runpy.run_path(str(DOCS / "pictures.py"))
shown: Callable[[str], list[str]] = SCRIPT["shown"]


@pytest.fixture(scope="module")
def pictures() -> dict[str, str]:
    made: dict[str, str] = SCRIPT["pictures"]()
    return made


def test_the_pictures_show_what_they_would_show_now(pictures: dict[str, str]) -> None:
    for name, now in pictures.items():
        drawn = (DOCS / "images" / name).read_text(encoding="utf-8")
        assert shown(drawn) == shown(now), f"{name} is out of date; run docs/pictures.py"


def test_every_picture_is_drawn_by_the_script(pictures: dict[str, str]) -> None:
    assert {file.name for file in (DOCS / "images").glob("*.svg")} == set(pictures)


def test_the_neighbourhood_in_the_docs_has_what_the_page_says(pictures: dict[str, str]) -> None:
    assert {"Lisbon", "Tagus", "is the capital of", "name", "passage", "fact"} <= set(shown(pictures["hipporag.svg"]))
