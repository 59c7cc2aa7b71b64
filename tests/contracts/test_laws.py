"""The shipped suites cannot be weakened unnoticed, and say what to give them."""

import pytest

from memkit.testing.contracts import ComponentContract, ShelfContract, StoreContract
from memkit.testing.contracts.law import laws


class Honest(ComponentContract):
    __test__ = False

    @pytest.mark.xfail(reason="our model is asked once a batch")
    def test_batches_of_any_size_give_the_same_rows(self) -> None:  # type: ignore[override]
        raise AssertionError


class Replaced(StoreContract):
    __test__ = False

    def test_namespaces_are_walls(self, store: object) -> None:
        pass


class Removed(ShelfContract):
    __test__ = False
    test_a_mask_comes_before_the_limit = None  # type: ignore[assignment]


class Unexplained(ComponentContract):
    __test__ = False

    @pytest.mark.xfail
    def test_any_question_is_text(self) -> None:  # type: ignore[override]
        pass


def test_a_law_may_be_excused_with_a_reason_and_the_others_stay() -> None:
    Honest().test_no_law_was_replaced()
    assert len(laws(Honest)) == len(laws(ComponentContract)) > 8


@pytest.mark.parametrize(
    ("suite", "law"),
    [
        (Replaced, "test_namespaces_are_walls"),
        (Removed, "test_a_mask_comes_before_the_limit"),
        (Unexplained, "test_any_question_is_text"),
    ],
)
def test_a_law_that_was_replaced_removed_or_excused_without_a_reason_is_noticed(suite: type, law: str) -> None:
    with pytest.raises(AssertionError, match=law):
        suite().test_no_law_was_replaced()


def test_every_law_is_counted_and_none_is_hidden_by_another_of_the_same_name() -> None:
    for suite in (StoreContract, ShelfContract):
        own = [name for one in suite.__mro__ for name in vars(one) if name.startswith("test_")]
        assert sorted(own) == sorted(laws(suite))
