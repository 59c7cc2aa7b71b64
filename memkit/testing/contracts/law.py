"""What the suites have in common: how much Hypothesis tries, and the law that no law is replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from hypothesis import HealthCheck, settings

from memkit.ports import Store


def law(examples: int = 20) -> settings:
    """Settings of a property. Its examples share one store, and keep apart by namespaces."""
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[
            HealthCheck.differing_executors,  # every suite runs under several subclasses
            HealthCheck.function_scoped_fixture,  # see above
            HealthCheck.too_slow,
        ],
    )


class Contract:
    """The root of all suites."""

    def test_no_law_was_replaced(self) -> None:
        mine = type(self)
        replaced = [
            name
            for name, law in laws(mine).items()
            if (now := getattr(mine, name, None)) is not law and not _excused(now)
        ]
        assert replaced == [], f"laws may be marked xfail with a reason, not replaced: {replaced}"


class OfStore(Contract):
    """A suite about a store. Give it `store`, an open one on an empty database of its own, and `reopen`."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        raise NotImplementedError("give the suite a fixture `store`: an open store on an empty database")

    def reopen(self) -> Store | None:
        """Another store on the same database, as another process would open it. None when there can be none."""
        raise NotImplementedError("give the suite a method `reopen`")

    @pytest.fixture
    def another(self, store: Store) -> Iterator[Store]:
        """A second store on the database of `store`; the test is skipped where there can be none."""
        other = self.reopen()
        if other is None:
            pytest.skip("this database cannot be opened a second time")
        yield other
        other.close()


def laws(suite: type) -> Mapping[str, Callable[..., object]]:
    """The laws of the shipped suites that this class inherits, by name."""
    found: dict[str, Callable[..., object]] = {}
    for one in reversed(suite.__mro__):
        if one.__module__.startswith(f"{__package__}."):
            found.update({name: law for name, law in vars(one).items() if name.startswith("test_")})
    return found


def _excused(law: object) -> bool:
    marks: list[pytest.Mark] = getattr(law, "pytestmark", [])
    return any(mark.name == "xfail" and mark.kwargs.get("reason") for mark in marks)
