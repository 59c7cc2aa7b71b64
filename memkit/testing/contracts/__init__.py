"""The laws of memkit's ports as pytest classes. A store or a component that passes its suite fits.

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            self.path = tmp_path / "memory"
            with closing(MyStore(self.path)) as store:
                yield store

        def reopen(self):
            return MyStore(self.path)

A law that does not hold yet is overridden with `@pytest.mark.xfail(reason=…)` over a call of `super()`; a law that
was replaced or removed in any other way fails `test_no_law_was_replaced`. Needs pytest and hypothesis.
"""

from __future__ import annotations

import pkgutil

import pytest

# So that a failing law says what it compared. It works for what is imported afterwards.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))

from memkit.testing.contracts.component import ComponentContract  # noqa: E402  see above
from memkit.testing.contracts.shelf import ShelfContract  # noqa: E402
from memkit.testing.contracts.store import StoreContract  # noqa: E402

__all__ = ["ComponentContract", "ShelfContract", "StoreContract"]
