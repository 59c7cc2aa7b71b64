"""A shelf is a cache: whoever changed the rows, and however, it answers as the rows themselves would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memkit.ports import Shelf, Store
from memkit.testing.contracts.derived import added, cursor, failure
from memkit.testing.contracts.law import OfStore, law
from memkit.testing.contracts.picture import MARKS, WORDS, Picture, expected, picture
from memkit.testing.contracts.samples import SPACE, a_draft, a_record, fresh_namespace
from memkit.values import Deferred, Event, Record, Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A change to the rows under a path."""

    kind: str  # add, defer, retry, forget, clear, rewind, fill
    text: str = "alpha"
    marks: tuple[str, ...] = ()
    session: str | None = None
    author: str | None = None
    document: bool = False
    vector: tuple[float, ...] | None = None
    below: bool = False  # in the namespace below the path
    place: int = 0  # which of the rows or events it is about
    by: int = 0  # which store does it
    look: bool = True  # whether somebody asks for the shelf afterwards


_steps = st.builds(
    Step,
    kind=st.sampled_from(("add", "add", "add", "defer", "retry", "forget", "forget", "clear", "rewind", "fill")),
    text=st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join),
    marks=st.lists(st.sampled_from(MARKS), max_size=3).map(tuple),
    session=st.sampled_from((None, "s", "t")),
    author=st.sampled_from((None, "ana", "ben")),
    document=st.sampled_from((False, False, True)),
    vector=st.none() | st.tuples(*[st.integers(-2, 2).map(float)] * 4).filter(lambda v: set(v) != {-1.0}),
    below=st.booleans(),
    place=st.integers(0, 9),
    by=st.integers(0, 1),
    look=st.booleans(),
)


class Scene:
    """Rows of a path and of one below it, as they ought to be, and the stores that make them so."""

    def __init__(self, stores: Sequence[Store], base: str) -> None:
        self._stores = stores
        self._base = base
        self._waiting: list[tuple[Event, Record, Deferred]] = []
        self._events: dict[str, Event] = {}
        self._made: list[Record] = []

    def shelf(self, store: Store, *, below: bool = True) -> Shelf:
        return store.derived.shelf("c", Where(namespace=self._base, below=below), SPACE)

    def check(self, store: Store) -> None:
        """Rows have an order inside a namespace only."""
        rows = sorted(self._made, key=lambda row: self._events[row.sources[0].event].position)
        assert picture(self.shelf(store, below=False)) == expected([r for r in rows if r.namespace == self._base])
        assert _unordered(picture(self.shelf(store))) == _unordered(expected(rows))

    def take(self, step: Step) -> None:
        store = self._stores[step.by % len(self._stores)]
        if step.kind in ("add", "defer"):
            self._add(store, step)
        elif step.kind == "retry" and self._waiting:
            _, row, entry = self._waiting.pop(step.place % len(self._waiting))
            assert store.upkeep.retry(entry, a_draft(row), SPACE)
            self._made.append(row)
        elif step.kind == "forget" and self._events:
            event = list(self._events.values())[step.place % len(self._events)]
            del self._events[event.id]
            assert store.upkeep.forget(_only(event), verify=False).events == 1
            self._made = [row for row in self._made if row.sources[0].event != event.id]
            self._waiting = [one for one in self._waiting if one[0].id != event.id]
        elif step.kind == "clear":
            store.upkeep.forget(Where(namespace=self._base, below=step.below), verify=False)
            self._events = {id: e for id, e in self._events.items() if e.namespace != self._base and not step.below}
            self._made = [row for row in self._made if row.sources[0].event in self._events]
            self._waiting = [one for one in self._waiting if one[0].id in self._events]
        elif step.kind == "rewind":
            where = Where(namespace=self._base, below=step.below)
            left = [row for row in self._made if not where.covers(row.namespace)]
            assert store.upkeep.rewind(where, "c") == len(self._made) - len(left)
            self._made = left
            self._waiting = [one for one in self._waiting if not where.covers(one[0].namespace)]
        elif step.kind == "fill":
            self._fill(store, step)

    def _add(self, store: Store, step: Step) -> None:
        namespace = f"{self._base}/a" if step.below else self._base
        kind = "document" if step.document else "turn"
        (event,) = added(store, step.text, namespace=namespace, kind=kind, session=step.session, author=step.author)
        vector = None if step.vector is None else np.array(step.vector, np.float32)
        row = a_record(event, vector=vector, weight=0.5 if step.document else 1.0, marks=step.marks)
        self._events[event.id] = event
        since = cursor(store, namespace)
        if step.kind == "add":
            assert store.derived.commit(namespace, "c", a_draft(row), SPACE, since=since, upto=event.position)
            self._made.append(row)
        else:
            failed = failure(event)
            commit = store.derived.commit
            assert commit(namespace, "c", a_draft(), SPACE, since=since, upto=event.position, failed=[failed])
            self._waiting.append((event, row, failed))

    def _fill(self, store: Store, step: Step) -> None:
        vector = np.array(step.vector or (0, 1, 0, 0), np.float32)
        ids = [id for id, _ in store.spaces.missing(SPACE, 1000)]
        where = Where(namespace=self._base, below=True)
        wanted = {row.sources: row.id for row in store.derived.records("c", where, ids)}
        bare = [row for row in self._made if row.sources in wanted]
        if bare:
            chosen = bare[step.place % len(bare)]
            store.spaces.fill(SPACE, {wanted[chosen.sources]: vector})
            self._made = [replace(row, vector=vector) if row is chosen else row for row in self._made]


class RefreshLaws(OfStore):
    """A shelf is as of now when it is handed out, and stays so."""

    @law(30)
    @given(steps=st.lists(_steps, min_size=1, max_size=12))
    def test_after_any_changes_a_shelf_is_that_of_its_rows(self, store: Store, steps: list[Step]) -> None:
        """One store goes along from change to change; another may make them and a third opens at the end."""
        store.spaces.use(SPACE, whole=False)
        other = self.reopen()
        scene = Scene([store] if other is None else [store, other], fresh_namespace())
        try:
            for step in steps:
                scene.take(step)
                if step.look:
                    scene.check(store)
            scene.check(store)
        finally:
            if other is not None:
                other.close()
        fresh = self.reopen()
        if fresh is not None:
            scene.check(fresh)
            fresh.close()

    def test_a_namespace_that_comes_back_brings_nothing_forgotten_with_it(self, store: Store) -> None:
        """Nobody looked while it was empty."""
        store.spaces.use(SPACE, whole=False)
        scene = Scene([store], fresh_namespace())
        for text in ("alpha beta", "gamma"):
            scene.take(Step(kind="add", text=text, vector=(1, 0, 0, 0)))
        scene.check(store)
        scene.take(Step(kind="clear"))
        scene.take(Step(kind="add", text="delta"))
        scene.check(store)

    def test_authors_keep_their_names_when_others_are_forgotten(self, store: Store) -> None:
        store.spaces.use(SPACE, whole=False)
        scene = Scene([store], fresh_namespace())
        for author in ("ana", "ben", "ben"):
            scene.take(Step(kind="add", author=author))
        scene.check(store)
        scene.take(Step(kind="forget", place=0))
        scene.check(store)
        for author in ("cem", "ben", "ana"):
            scene.take(Step(kind="add", author=author))
            scene.check(store)

    def test_a_shelf_that_was_handed_out_does_not_change(self, store: Store) -> None:
        store.spaces.use(SPACE, whole=False)
        scene = Scene([store], fresh_namespace())
        for n in range(3):
            scene.take(Step(kind="add", text=f"alpha {WORDS[n]}", vector=(1, n, 0, 0), session="s"))
        held = scene.shelf(store)
        before = picture(held)
        scene.take(Step(kind="add", text="delta", vector=(0, 0, 0, 1), session="s"))
        assert scene.shelf(store).size == 4  # somebody else looks
        assert picture(held) == before
        held = scene.shelf(store)
        before = picture(held)
        scene.take(Step(kind="forget", place=1))
        scene.take(Step(kind="add", text="alpha alpha", session="s"))
        assert scene.shelf(store).size == 4
        assert _without_vectors(picture(held)) == _without_vectors(before)  # those of forgotten rows may be gone


def _only(event: Event) -> Where:
    return Where(namespace=event.namespace, ids=frozenset({event.id}))


def _without_vectors(pictures: Sequence[Picture]) -> list[Picture]:
    return [replace(one, vector=None) for one in pictures]


def _unordered(pictures: Sequence[Picture]) -> list[Picture]:
    return sorted((replace(one, before=0, after=0) for one in pictures), key=repr)
