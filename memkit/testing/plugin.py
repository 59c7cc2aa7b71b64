"""The pytest plugin, which every test run has where memkit is installed. Until a test asks for a fixture it does nothing and
loads nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from memkit.testing.cassette import Cassette, Mode
    from memkit.testing.masks import Mask

LONGEST_NAME = 100  # characters of a file's name, well below what file systems take
PLAYED = pytest.StashKey["Cassette"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("memkit").addoption(
        "--memkit-record",
        choices=("record", "extend"),
        help="ask the real models and record their replies: everything anew (record), or what is missing (extend)",
    )


@pytest.fixture
def assert_recalls() -> Callable[..., Any]:
    """`assert_recalls(memory, query, expected)`: see `memkit.testing.recalls.assert_recalls`."""
    from memkit.testing import recalls

    return recalls.assert_recalls


@pytest.fixture
def assert_recalls_async() -> Callable[..., Any]:
    """The same for an AsyncMemory: `await assert_recalls_async(memory, query, expected)`."""
    from memkit.testing import recalls

    return recalls.assert_recalls_async


@pytest.fixture
def cassette_mask() -> Mask | None:
    """What the fixture `cassette` takes as `mask`. Define it anew to have one: `return without_dates`."""
    return None


@pytest.fixture
def cassette(request: pytest.FixtureRequest, cassette_mask: Mask | None) -> Iterator[Cassette]:
    """The cassette of this test, in `cassettes/<file>/<test>.jsonl` beside it; replayed, or with `--memkit-record` recorded."""
    from memkit.testing.cassette import Cassette

    folder = request.path.parent / "cassettes" / request.path.stem
    mode: Mode = request.config.getoption("--memkit-record") or "replay"
    with Cassette(folder / f"{file_name(request.node)}.jsonl", mode=mode, mask=cassette_mask) as played:
        request.node.stash[PLAYED] = played
        yield played


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A test that passed although a call was not on its cassette has not seen what it should: somebody hid the error."""
    result = yield
    played = item.stash.get(PLAYED, None)
    if played is not None and played.missed:
        pytest.fail(f"the test hid that {played.missed[0]}", pytrace=False)
    return result


def file_name(item: pytest.Item) -> str:
    """What a test is called within its file, as a name for a file."""
    name = item.nodeid.partition("::")[2].replace("::", ".")
    safe = re.sub(r"[^\w.\-]+", "-", name, flags=re.ASCII)
    if safe == name and len(name) <= LONGEST_NAME:
        return name
    return f"{safe[: LONGEST_NAME - 9]}-{sha256(name.encode()).hexdigest()[:8]}"  # two tests, two files
