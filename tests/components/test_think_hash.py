"""The hash's laws: those of the paper's scheme, and that it never changes."""

from itertools import pairwise
from math import acos, cos, pi, radians, sin, sqrt

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from memkit.components.think_in_memory.lsh import Hash, projection
from memkit.values import Space

FIRST, LAST, KEY = (
    (-2.1253731875792834, 0.9985484601766901, -0.7412366789323206),
    (-0.6268898111230601, 0.4286854777346364),
    "419293acffab",
)
shapes = st.tuples(st.integers(0, 2**40), st.integers(1, 40), st.integers(1, 12).map(lambda half: 2 * half))


def hashing(seed: int, dimension: int, buckets: int, *, model: str = "m") -> Hash:
    return Hash(space=Space(model=model, dimension=dimension), buckets=buckets, seed=seed)


def some_vectors(seed: int, count: int, dimension: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)


@given(shape=shapes, seed=st.integers(0, 1000), power=st.integers(-20, 20))
def test_the_length_of_a_vector_makes_no_difference(shape: tuple[int, int, int], seed: int, power: int) -> None:
    f = hashing(*shape)
    vectors = some_vectors(seed, 8, shape[1])
    assert f.bucket(vectors * np.float32(2.0**power)).tolist() == f.bucket(vectors).tolist()
    assert f.bucket(vectors * np.float32(1.7)).tolist() == f.bucket(vectors).tolist()


@given(shape=shapes, seed=st.integers(0, 1000))
def test_the_opposite_vector_falls_half_the_buckets_away(shape: tuple[int, int, int], seed: int) -> None:
    f, half = hashing(*shape), shape[2] // 2
    vectors = some_vectors(seed, 8, shape[1])
    assert f.bucket(-vectors).tolist() == ((f.bucket(vectors) + half) % shape[2]).tolist()


@given(shape=shapes, seed=st.integers(0, 1000))
def test_it_is_the_largest_entry_of_both_signs(shape: tuple[int, int, int], seed: int) -> None:
    vector = some_vectors(seed, 1, shape[1])[0]
    entries = [sum(float(x) * float(r) for x, r in zip(vector, column, strict=True)) for column in projection(*shape).T]
    entries += [-entry for entry in entries]
    ordered = sorted(range(shape[2]), key=lambda n: -entries[n])
    assume(all(abs(entries[a] - entries[b]) > 1e-9 for a, b in pairwise(ordered)))
    f = hashing(*shape)
    assert f.bucket(vector[None]).tolist() == ordered[:1]
    for count in (1, 2, shape[2]):
        assert f.probes(vector, count) == ordered[:count]


def test_the_projection_is_the_same_for_ever() -> None:
    """Rows are found by it again after years: these numbers must never change."""
    drawn = projection(0, 384, 16)
    assert drawn.shape == (384, 8)
    np.testing.assert_allclose(drawn[0, :3], FIRST, rtol=1e-12)
    np.testing.assert_allclose(drawn[-1, -2:], LAST, rtol=1e-12)
    assert hashing(0, 384, 16).key == KEY


def test_the_entries_are_standard_normal() -> None:
    entries = np.concatenate([projection(seed, 64, 32).ravel() for seed in range(20)])  # 20,480
    assert abs(entries.mean()) < 0.03
    assert abs(entries.std() - 1) < 0.02
    for bound, share in ((-1.0, 0.1587), (0.0, 0.5), (1.0, 0.8413), (2.0, 0.9772)):
        assert abs((entries < bound).mean() - share) < 0.015


@pytest.mark.parametrize("other", [(1, 8, 4), (0, 9, 4), (0, 8, 6)], ids=["seed", "dimension", "buckets"])
def test_another_seed_dimension_or_number_of_buckets_is_another_function(other: tuple[int, int, int]) -> None:
    assert hashing(*other).key != hashing(0, 8, 4).key
    assert projection(*other).ravel()[:4].tolist() != projection(0, 8, 4).ravel()[:4].tolist()


def test_another_space_has_other_marks() -> None:
    assert hashing(0, 8, 4).mark(1) != hashing(0, 8, 4, model="n").mark(1)


def test_a_zero_vector_falls_into_the_first_bucket() -> None:
    assert hashing(0, 4, 8).bucket(np.zeros((1, 4), np.float32)).tolist() == [0]


def collision_probability(angle: float, buckets: int) -> float:
    """P(F(x) = F(y)) for vectors at this angle, by integration.

    The b/2 pairs of entries are independent bivariate normals (u, v) with correlation cos(angle). Both vectors fall into
    one bucket when one pair has the largest |u| and the largest |v|, with equal signs: the sum over the pairs of
    ∫ 2·φ(u, v) G(u, v)^(b/2 − 1) over u, v > 0, where G(u, v) = P(|U| < u, |V| < v).
    """
    rho, half, step = cos(angle), buckets // 2, 0.02
    middle = np.arange(step / 2, 6, step)
    u, v = np.meshgrid(middle, middle, indexing="ij")

    def density(correlation: float) -> NDArray[np.float64]:
        spread = 1 - correlation**2
        return np.exp(-(u * u - 2 * correlation * u * v + v * v) / (2 * spread)) / (2 * pi * sqrt(spread)) * step**2

    same, opposite = density(rho), density(-rho)
    inside = 2 * (same + opposite)  # the four quadrants
    below = inside.cumsum(0).cumsum(1) - (inside.cumsum(0) + inside.cumsum(1)) / 2 + inside / 4
    return float(half * (2 * same * below ** (half - 1)).sum())


@pytest.mark.parametrize("buckets", [2, 4, 16])
def test_vectors_collide_as_often_as_their_angle_says(buckets: int) -> None:
    """Monte-Carlo over random pairs and projections, against the integral. 6,000 pairs: one standard deviation is 0.0065."""
    rng = np.random.default_rng(1)
    shares = []
    for degrees in (20, 45, 70, 90, 130):
        hits = 0
        for seed in range(30):
            first, second = np.linalg.qr(rng.standard_normal((200, 24, 2)))[0].transpose(2, 0, 1)
            other = cos(radians(degrees)) * first + sin(radians(degrees)) * second
            f = hashing(seed, 24, buckets)
            hits += int((f.bucket(first.astype(np.float32)) == f.bucket(other.astype(np.float32))).sum())
        share = hits / 6000
        assert abs(share - collision_probability(radians(degrees), buckets)) < 0.03
        shares.append(share)
    assert shares == sorted(shares, reverse=True)


def test_the_integral_agrees_with_what_is_known_exactly() -> None:
    """With two buckets F is the sign of one projection, and vectors collide with probability 1 − angle/π."""
    for degrees in (20, 60, 90, 150):
        assert collision_probability(radians(degrees), 2) == pytest.approx(1 - degrees / 180, abs=0.01)
    assert collision_probability(acos(0.0), 16) == pytest.approx(1 / 16, abs=0.002)  # at a right angle, by chance
