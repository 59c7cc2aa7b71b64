"""The measures, by hand."""

import math

from memkit.evaluation.measures import Outcome, distinct, figures, ndcg, recall, reciprocal_rank


def test_recall_is_the_part_of_the_right_ones_among_the_first() -> None:
    assert recall(["a", "b", "c"], {"b", "c", "x"}, 2) == 1 / 3
    assert recall(["a", "b", "c"], {"b", "c", "x"}, 3) == 2 / 3
    assert recall([], {"b"}, 3) == 0


def test_only_the_first_right_one_counts_for_the_reciprocal_rank() -> None:
    assert reciprocal_rank(["a", "b", "c"], {"c", "b"}) == 1 / 2
    assert reciprocal_rank(["a"], {"c"}) == 0


def test_ndcg_is_one_for_the_best_order_and_less_for_another() -> None:
    gain = {"a": 3.0, "b": 1.0}
    assert ndcg(["a", "b"], gain, 10) == 1
    assert math.isclose(ndcg(["b", "x", "a"], gain, 10), (1 + 3 / 2) / (3 + 1 / math.log2(3)))
    assert ndcg(["b", "x", "a"], gain, 2) == 1 / (3 + 1 / math.log2(3))
    assert ndcg(["a"], {}, 10) == 0


def test_names_are_counted_where_they_first_stand() -> None:
    assert distinct(["b", "a", "b", "c", "a"]) == ["b", "a", "c"]


def test_figures_are_means_and_nothing_has_the_mean_zero() -> None:
    outcomes = [Outcome.of(["a"], {"a"}), Outcome.of(["x"] * 5 + ["a"], {"a"})]
    assert figures(outcomes) == {
        "questions": 2,
        "recall@5": 0.5,
        "recall@10": 1.0,
        "recall@20": 1.0,
        "mrr": round((1 + 1 / 6) / 2, 4),
    }
    assert figures([])["mrr"] == 0
