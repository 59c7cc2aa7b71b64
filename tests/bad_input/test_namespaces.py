"""A namespace is a path of names. Odd characters in it are characters; what is no path is refused."""

from __future__ import annotations

from typing import Any

import pytest

import memkit
from tests.bad_input.holding import unchanged

NAMES = [
    *("..", "a/../b", "a%b_c", "it's", '"', "😀", "naïve", "a\\b", " ", "*", "a;DROP TABLE events", "CON"),
    *("a\u202eb", "x" * 1000),
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:20])
def test_a_namespace_with_odd_characters_is_a_namespace_like_any_other(memory: memkit.Memory, name: str) -> None:
    with unchanged(memory):
        mine = memory[name]
        receipt = mine.add("The garden gate squeaks.")
        assert [hit.events for hit in mine.recall("garden gate", floor=0)] == [receipt.ids]
        assert [one.namespace for one in mine.history()] == [name]
        assert not memory["default"].recall("The garden gate squeaks.", floor=0.9)
        assert mine.forget(everything=True, verify=True).proven


def test_names_that_look_alike_are_different_namespaces(memory: memkit.Memory) -> None:
    alike = ["a%", "ab", "a_", "A%", "a%/c", "a", "á", "a\u0301"]
    with unchanged(memory):
        for name in alike:
            memory[name].add(f"The garden gate of {name} squeaks.")
        for name in alike:
            assert [one.namespace for one in memory[name].history()] == [name]
            below = [one.namespace for one in memory[name].history(below=True)]
            assert below == [other for other in alike if other == name or other.startswith(name + "/")]
        for name in alike:
            assert memory[name].forget(everything=True).events == 1


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "a\nb", "a\x7f", "a\0b", "\ud800", "x" * 1001])
def test_a_namespace_that_is_no_path_is_refused(memory: memkit.Memory, name: str) -> None:
    with unchanged(memory), pytest.raises(ValueError, match="namespace"):
        memory[name]


@pytest.mark.parametrize("name", [None, 5, b"ana", ("ana",)])
def test_a_namespace_that_is_no_text_is_refused(memory: memkit.Memory, name: Any) -> None:
    """Above all None: a user who is not known must not get everybody's memory."""
    with unchanged(memory), pytest.raises(TypeError, match=r"namespace is .*; it must be a text"):
        memory[name]
