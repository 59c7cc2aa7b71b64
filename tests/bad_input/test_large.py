"""Ten megabytes in one text: it is kept whole, a sentence in its middle is found, and it does not take for ever."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import memkit
from memkit import Document

SIZE = 10_000_000
BOUND = 60.0  # seconds; it takes about a tenth of that
SENTENCE = "The lighthouse keeper painted his seventh door vermilion."


def large() -> str:
    """Sentences of ordinary length with numbers in them, and one that is special in the middle."""
    parts = []
    size = 0
    while size < SIZE:
        parts.append(
            f"On day {len(parts)} the boat went out to the reef and came home with {size % 97} fishes in the net. "
        )
        size += len(parts[-1])
    parts.insert(len(parts) // 2, SENTENCE + " ")
    return "".join(parts)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["turn", "document"])
def test_a_sentence_in_the_middle_of_ten_megabytes_is_found(tmp_path: Path, kind: str) -> None:
    text = large()
    started = time.monotonic()
    with memkit.open(tmp_path / "memory.db") as memory:
        receipt = memory.add(text if kind == "turn" else Document(text=text, title="The log of the boat"))
        (hit,) = memory.recall("What did the lighthouse keeper paint vermilion?", k=1)
        assert SENTENCE in hit.text
        assert len(hit.text) < 10_000
        source = hit.sources[0]
        assert text[source.start : source.end] == hit.text
        assert memory.history()[0].text == text
        assert time.monotonic() - started < BOUND
        forgotten = memory.forget(ids=receipt.ids, verify=True)
        assert forgotten.proven
        assert time.monotonic() - started < 2 * BOUND


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("x" * 2_000_000, "x" * 600),
        ("no end " * 200_000, "end"),
        ("\n" * 100_000 + "a" + "\n" * 100_000, "a"),
        ("日本語" * 200_000, "日本"),
        ("e\u0301 " * 200_000, "é"),
    ],
    ids=["one word", "one sentence", "blank lines", "no spaces", "accents"],
)
def test_a_text_without_borders_is_taken_too(tmp_path: Path, text: str, asked: str) -> None:
    started = time.monotonic()
    with memkit.open(tmp_path / "memory.db") as memory:
        memory.add(Document(text=text))
        assert memory.sync().deferred == ()
        assert memory.recall(asked, k=1, floor=0)
        assert memory.history()[0].text == text
    assert time.monotonic() - started < 30


def test_a_text_beyond_the_limit_is_refused_with_its_size(tmp_path: Path) -> None:
    with memkit.open(tmp_path / "memory.db") as memory:
        with pytest.raises(
            ValueError, match="the text has 64000001 characters; at most 64000000 fit in one event: split it"
        ):
            memory.add("x" * 64_000_001)
        assert memory.stats().events == 0
