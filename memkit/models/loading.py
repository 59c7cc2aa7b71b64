"""Loading models of Hugging Face without their progress bars. Needs transformers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging as transformers_logging

_loading = threading.Lock()  # the progress bars are switched off for the whole process while a model loads


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """One model at a time."""
    with _loading:
        shown = transformers_logging.is_progress_bar_enabled()
        transformers_logging.disable_progress_bar()
        try:
            yield
        finally:
            if shown:
                transformers_logging.enable_progress_bar()
