"""The nearest vectors, exactly, by every kind of index. `test_hnsw` is about the graph that many vectors have, and
`test_kernel_index` about what only the index on a device has."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from memkit_stores.indexes import Index
from memkit_stores.vectors import Vectors
from tests.stores.index_kinds import KINDS, an_index

Matrix = NDArray[np.float32]

# --- the exact search -----------------------------------------------------------------------------


def brute_force(
    table: dict[int, Matrix], vector: Matrix, k: int, mask: NDArray[np.bool_] | None
) -> list[tuple[int, float]]:
    """The oracle. With whole numbers, products are exact and ties are many."""
    scores = [
        (row, float(vector @ own)) for row, own in table.items() if mask is None or (row < len(mask) and mask[row])
    ]
    return sorted(scores, key=lambda pair: (-pair[1], pair[0]))[: max(k, 0)]


def filled(kind: str, table: dict[int, Matrix], dimension: int, batch: int = 1000) -> Index:
    vectors = an_index(kind, dimension)
    rows = sorted(table)
    for start in range(0, len(rows), batch):
        part = np.array(rows[start : start + batch])
        vectors.add(part, np.stack([table[row] for row in part]), part + 500)
    return vectors


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[int, Matrix], Matrix, NDArray[np.bool_]]:
    """Vectors of some rows, a question, and a bit for each row."""
    dimension = draw(st.sampled_from([1, 2, 3, 4, 8, 16, 17]))
    size = draw(st.integers(0, 250))
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    present = np.flatnonzero(random.random(size) < draw(st.sampled_from([0.1, 0.9, 1])))
    whole = random.integers(-2, 3, (size + 1, dimension)).astype(np.float32)
    return (
        {int(row): whole[row] for row in present},
        whole[size],
        random.random(size) < draw(st.sampled_from([0, 0.1, 0.7])),
    )


@pytest.mark.parametrize("kind", KINDS)
@given(tables(), st.integers(-1, 300), st.integers(1, 300), st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_exact_search_is_that_of_brute_force(kind, table, k, batch, masked) -> None:  # type: ignore[no-untyped-def]
    entries, question, mask = table
    asked = mask if masked else None
    rows, scores = filled(kind, entries, len(question), batch).nearest(question, k, asked)
    assert list(zip(rows.tolist(), scores.tolist(), strict=True)) == brute_force(entries, question, k, asked)
    assert (rows.dtype, scores.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("kind", KINDS)
@given(tables(), st.integers(1, 300))
@settings(max_examples=100, deadline=None)
def test_after_compacting_the_answers_are_those_of_an_index_that_never_had_the_rows(kind, table, batch) -> None:  # type: ignore[no-untyped-def]
    entries, question, keep = table
    vectors = filled(kind, entries, len(question), batch)
    vectors.compact(keep)
    numbers = np.cumsum(keep) - 1
    kept = {int(numbers[row]): own for row, own in entries.items() if keep[row]}
    extra = int(keep.sum()) + 2
    kept[extra] = question
    vectors.add(np.array([extra]), question[None], np.array([9]))
    rows, scores = vectors.nearest(question, 50)
    assert list(zip(rows.tolist(), scores.tolist(), strict=True)) == brute_force(kept, question, 50, None)
    assert len(vectors) == len(kept)


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(0, 1 << 32), st.sampled_from([2, 4, 8, 16, 384]))
@settings(max_examples=20, deadline=None)
def test_products_are_equal_to_the_last_bit_wherever_a_vector_lies(kind: str, seed: int, dimension: int) -> None:
    random = np.random.default_rng(seed)
    matrix = random.standard_normal((400, dimension), dtype=np.float32)
    question = random.standard_normal(dimension, dtype=np.float32)
    keep = random.random(400) < 0.5
    whole, half, twice = (an_index(kind, dimension) for _ in range(3))
    whole.add(np.arange(400), matrix, np.arange(400))
    half.add(np.arange(keep.sum()), matrix[keep], np.arange(keep.sum()))
    twice.add(np.arange(400), np.repeat(matrix[:1], 400, axis=0), np.arange(400))
    assert len(set(twice.nearest(question, 400)[1].tolist())) == 1
    masked = whole.nearest(question, 30, keep)
    whole.compact(keep)
    for rows, scores in (masked, whole.nearest(question, 30)):
        assert scores.tolist() == half.nearest(question, 30)[1].tolist()
        assert len(rows) == min(30, keep.sum())
    rows, scores = half.nearest(question, 30)
    assert half.similarity(question, rows).tolist() == scores.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_similarity_is_minus_one_for_a_row_without_a_vector(kind: str) -> None:
    vectors = filled(kind, {1: np.array([1, 0], np.float32), 3: np.array([0, 2], np.float32)}, 2)
    asked = np.array([3, 0, 1, 2, 4, 99, 1])
    assert vectors.similarity(np.array([3, 4], np.float32), asked).tolist() == [8, -1, 3, -1, -1, -1, 3]
    assert vectors.similarity(np.array([3, 4], np.float32), np.empty(0, np.int64)).tolist() == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_index_has_no_nearest(kind: str) -> None:
    empty = an_index(kind, 3)
    rows, scores = empty.nearest(np.ones(3, np.float32), 5)
    assert (rows.tolist(), scores.tolist()) == ([], [])
    assert empty.similarity(np.ones(3, np.float32), np.array([0])).tolist() == [-1]


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_fit_is_refused_and_nothing_is_added(kind: str) -> None:
    vectors = filled(kind, {4: np.ones(3, np.float32)}, 3)
    one = np.ones((1, 3), np.float32)
    with pytest.raises(ValueError, match="3 dimensions, not 2"):
        vectors.nearest(np.ones(2, np.float32), 1)
    with pytest.raises(ValueError, match="3 dimensions, not 4"):
        vectors.add(np.array([5]), np.ones((1, 4), np.float32), np.array([5]))
    with pytest.raises(ValueError, match="do not fit"):
        vectors.add(np.array([5]), one, np.array([5, 6]))
    with pytest.raises(ValueError, match="ascend from 5"):
        vectors.add(np.array([4]), one, np.array([4]))
    with pytest.raises(ValueError, match="ascend from 5"):
        vectors.add(np.array([6, 6]), np.ones((2, 3), np.float32), np.array([6, 7]))
    with pytest.raises(ValueError, match="rows 2 to 4"):
        vectors.compact(np.ones(2, np.bool_))
    with pytest.raises(ValueError, match="at least 1"):
        an_index(kind, 0)
    assert len(vectors) == 1


def test_the_file_of_an_index_has_a_name_without_a_folder() -> None:
    with pytest.raises(ValueError, match="name of a file"):
        Vectors(3, name="../up")


@pytest.mark.parametrize("kind", KINDS)
def test_a_snapshot_answers_as_it_did_whatever_happens_to_the_index(kind: str) -> None:
    question = np.array([1, 1], np.float32)
    vectors = filled(kind, {0: question, 1: question * 3, 2: question * 2}, 2)
    before = vectors.snapshot()
    vectors.add(np.array([3]), question[None] * 9, np.array([3]))
    vectors.compact(np.array([False, False, True, True]))
    assert before.nearest(question, 9)[0].tolist() == [1, 2, 0]
    assert vectors.nearest(question, 9)[0].tolist() == [1, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_products_beyond_the_range_of_floats_let_no_row_through_a_mask(kind: str) -> None:
    """Where all that a mask admits has a product of -inf, so have those that it does not."""
    vectors = filled(kind, {row: np.full(16, -1e25, np.float32) for row in range(200)}, 16)
    mask = np.arange(200) % 2 == 1
    rows, scores = vectors.nearest(np.full(16, 1e25, np.float32), 7, mask)
    assert rows.tolist() == [1, 3, 5, 7, 9, 11, 13]
    assert scores.tolist() == [-np.inf] * 7


@pytest.mark.parametrize("kind", KINDS)
def test_removing_all_rows_or_none_is_no_special_case(kind: str) -> None:
    question = np.arange(1, 5, dtype=np.float32)
    vectors = filled(kind, {0: question, 2: question * 2}, 4)
    vectors.compact(np.ones(9, np.bool_))
    assert vectors.nearest(question, 9)[0].tolist() == [2, 0]
    vectors.compact(np.zeros(3, np.bool_))
    assert (len(vectors), vectors.nearest(question, 9)[0].tolist()) == (0, [])
    vectors.add(np.array([1]), question[None], np.array([7]))
    vectors.add(np.array([2]), question[None] * 3, np.array([8]))
    assert vectors.nearest(question, 9)[0].tolist() == [2, 1]
