"""The laws of `memkit.ports.Shelf`: a cache that answers as the rows themselves would, whoever changed them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from memkit.ports import Shelf, Store
from memkit.testing.contracts.derived import added
from memkit.testing.contracts.law import OfStore, law
from memkit.testing.contracts.refresh import RefreshLaws
from memkit.testing.contracts.samples import SPACE, a_draft, a_record, a_vector, around, fresh_namespace
from memkit.values import Event, Source, Where

AXES = np.eye(4, dtype=np.float32)


class NearestLaws(OfStore):
    """The search by vectors, against a loop over all of them. Whole numbers: products are exact and ties many."""

    @law(30)
    @given(data=st.data(), seed=st.integers(0, 1 << 30), size=st.integers(0, 40), k=st.integers(1, 45))
    def test_the_nearest_are_those_of_brute_force(
        self, store: Store, data: st.DataObject, seed: int, size: int, k: int
    ) -> None:
        random = np.random.default_rng(seed)
        vectors = random.integers(-2, 3, (size, 4)).astype(np.float32)
        present = random.random(size) < data.draw(st.sampled_from((0.5, 1.0)))
        shelf = self._shelf(store, [v if there else None for v, there in zip(vectors, present, strict=True)])
        question = random.integers(-2, 3, 4).astype(np.float32)
        asked = data.draw(st.sampled_from((None, 0.0, 0.2, 0.8)))
        mask = None if asked is None else random.random(size) < asked
        admitted = present if mask is None else present & mask
        products = vectors @ question
        found, scores = shelf.nearest(question, k, mask)
        assert [found.dtype, scores.dtype] == [np.dtype(np.int64), np.dtype(np.float32)]
        assert len(set(found.tolist())) == len(found)
        assert admitted[found].all()
        assert scores.tolist() == products[found].tolist()
        assert scores.tolist() == sorted(products[admitted].tolist(), reverse=True)[:k]
        every = np.arange(size)
        assert shelf.similarity(question, every).tolist() == np.where(present, products, -1).tolist()

    def test_a_mask_comes_before_the_limit(self, store: Store) -> None:
        """The one admitted row is the worst of all, and is found."""
        shelf = self._shelf(store, [a_vector(50 - n, 0, 0, 0) for n in range(50)])
        mask = np.zeros(50, np.bool_)
        mask[49] = True
        found, scores = shelf.nearest(AXES[0], 1, mask)
        assert (found.tolist(), scores.tolist()) == ([49], [1.0])
        assert shelf.nearest(AXES[0], 1, np.zeros(50, np.bool_))[0].tolist() == []

    @staticmethod
    def _shelf(store: Store, vectors: Sequence[NDArray[np.float32] | None]) -> Shelf:
        namespace = fresh_namespace()
        store.spaces.use(SPACE, whole=False)
        if vectors:
            events = added(store, *(f"{n}" for n in range(len(vectors))), namespace=namespace)
            draft = a_draft(*(a_record(e, vector=vector) for e, vector in zip(events, vectors, strict=True)))
            assert store.derived.commit(namespace, "c", draft, SPACE, since=0, upto=events[-1].position)
        return store.derived.shelf("c", Where(namespace=namespace), SPACE)


class ColumnLaws(OfStore):
    """What a shelf says of its rows."""

    def test_an_empty_shelf_answers(self, store: Store) -> None:
        shelf = store.derived.shelf("c", Where(namespace=fresh_namespace()), None)
        none = np.empty(0, np.int64)
        assert shelf.size == 0
        assert shelf.nearest(AXES[0], 3, None)[0].tolist() == []
        assert shelf.similarity(AXES[0], none).tolist() == []
        assert [part.tolist() for part in shelf.beside(none)] == [[], []]
        assert [part.tolist() for part in shelf.postings("alpha").rows] == [[]]
        assert shelf.marked("alpha").tolist() == []

    def test_columns_and_postings_have_the_promised_types(self, store: Store) -> None:
        shelf = _filled(store, ["alpha beta alpha", "beta"])
        assert [c.dtype for c in (shelf.id, shelf.strand, shelf.author)] == [np.int64, np.int32, np.int32]
        assert [c.dtype for c in (shelf.length, shelf.weight)] == [np.float32, np.float32]
        found = shelf.postings("beta gamma alpha beta")
        assert len(found.terms) == 3
        assert found.frequency.tolist() == [2, 0, 1]
        assert [rows.tolist() for rows in found.rows] == [[0, 1], [], [0]]
        assert [counts.tolist() for counts in found.counts] == [[1, 1], [], [2]]
        assert {rows.dtype for rows in found.rows} == {np.dtype(np.int32)}
        assert {counts.dtype for counts in found.counts} == {np.dtype(np.float32)}
        assert shelf.length.tolist() == [3, 1]

    def test_words_come_from_words_else_index_else_text(self, store: Store) -> None:
        namespace = fresh_namespace()
        (event,) = added(store, "alpha", namespace=namespace)
        draft = a_draft(
            a_record(event), a_record(event, index="beta"), a_record(event, index="beta", words="gamma gamma")
        )
        store.derived.commit(namespace, "c", draft, None, since=0, upto=event.position)
        shelf = store.derived.shelf("c", Where(namespace=namespace), None)
        assert [rows.tolist() for rows in shelf.postings("alpha beta gamma").rows] == [[0], [1], [2]]

    def test_a_mark_is_found_by_itself_and_meets_no_question(self, store: Store) -> None:
        """Exactly by itself: case, spaces and accents count, and there is nothing that it must look like."""
        namespace = fresh_namespace()
        events = added(store, "alpha beta", "beta", "gamma", namespace=namespace)
        marks = [("alpha", "alpha", "delta"), ("delta", "ALPHA", "", "e\u0301"), ("\0alpha", "\ud800", "a" * 5000)]
        draft = [a_record(event, marks=own) for event, own in zip(events, marks, strict=True)]
        store.derived.commit(namespace, "c", a_draft(*draft), None, since=0, upto=events[-1].position)
        shelf = store.derived.shelf("c", Where(namespace=namespace), None)
        for mark in {mark for own in marks for mark in own}:
            found = shelf.marked(mark)
            assert found.dtype == np.int32
            assert found.tolist() == [row for row, own in enumerate(marks) if mark in own], mark
        assert [shelf.marked(other).tolist() for other in ("beta", "é", "alpha ", "Delta")] == [[], [], [], []]
        asked = shelf.postings("alpha delta beta \0alpha é aaaaa")
        assert asked.frequency.tolist() == [1, 0, 2, 0, 0]
        assert shelf.length.tolist() == [2, 1, 1]
        assert [row.marks for row in store.derived.every(Where(namespace=namespace))] == [(), (), ()]

    @pytest.mark.parametrize(
        "query",
        ['"', "alpha AND", "alpha*", "NEAR(alpha beta)", "' OR 1=1 --", "alpha:beta", "(", "&|!", "", "\\", "%"],
    )
    def test_a_query_is_text_without_syntax(self, store: Store, query: str) -> None:
        shelf = _filled(store, ["alpha beta", "gamma"])
        found = shelf.postings(query)
        assert {row for rows in found.rows for row in rows.tolist()} == ({0} if "alpha" in query else set())

    def test_rows_follow_the_journal_and_strands_link_them(self, store: Store) -> None:
        """Sessions and documents are strands; turns without a session follow each other in one with a negative code."""
        namespace = fresh_namespace()
        kinds = [
            ("turn", "s"),
            ("turn", None),
            ("document", None),
            ("turn", "t"),
            ("turn", "s"),
            ("turn", None),
            ("document", None),
        ]
        events = [
            added(store, f"{n}", namespace=namespace, kind=kind, session=session)[0]
            for n, (kind, session) in enumerate(kinds)
        ]
        made = [a_record(event, text=f"{part}", sources=_part(event, part)) for event in events for part in range(2)]
        store.derived.commit(namespace, "c", a_draft(*reversed(made)), None, since=0, upto=events[-1].position)
        shelf = store.derived.shelf("c", Where(namespace=namespace), None)
        back = store.derived.records("c", Where(namespace=namespace), shelf.id.tolist())
        assert [row.sources for row in back] == [row.sources for row in made]
        before, after = shelf.beside(np.arange(shelf.size))
        assert before.tolist() == [-1, 0, -1, 2, -1, 4, -1, 6, 1, 8, 3, 10, -1, 12]
        assert after.tolist() == [1, 8, 3, 10, 5, -1, 7, -1, 9, -1, 11, -1, 13, -1]
        assert (shelf.strand[[2, 3, 10, 11]] < 0).all()
        assert (np.delete(shelf.strand, [2, 3, 10, 11]) >= 0).all()

    def test_a_shelf_of_a_path_has_the_rows_below_it(self, store: Store) -> None:
        base = fresh_namespace()
        for place in around(base):
            (event,) = added(store, f"alpha {place}", namespace=place, author=place, session="s")
            store.derived.commit(place, "c", a_draft(a_record(event)), None, since=0, upto=event.position)
        where = Where(namespace=base, below=True)
        shelf = store.derived.shelf("c", where, None)
        inside = sorted(place for place in around(base) if where.covers(place))
        assert sorted(shelf.authors[code] for code in shelf.author.tolist()) == inside
        assert shelf.postings("alpha").frequency.tolist() == [len(inside)]
        assert len(set(shelf.strand.tolist())) == len(inside)  # a session of one namespace is not one of another
        assert store.derived.shelf("c", Where(namespace=base), None).size == 1


class ShelfContract(NearestLaws, ColumnLaws, RefreshLaws):
    """The laws of `memkit.ports.Shelf`, of a store's shelves. See `memkit.testing.contracts` for what to give it."""


def _filled(store: Store, texts: Sequence[str]) -> Shelf:
    namespace = fresh_namespace()
    events = added(store, *texts, namespace=namespace)
    draft = a_draft(*(a_record(event) for event in events))
    store.derived.commit(namespace, "c", draft, None, since=0, upto=events[-1].position)
    return store.derived.shelf("c", Where(namespace=namespace), None)


def _part(event: Event, part: int) -> tuple[Source, ...]:
    return (Source(event=event.id, start=part, end=part + 1),)
