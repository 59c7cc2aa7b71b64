"""What the rows of a draft must be, checked before anything is stored. Raises AbsorbError, which names the component."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from memkit.errors import AbsorbError
from memkit.values import Record, Space


def check_owner(record: Record, namespace: str, component: str) -> None:
    if record.namespace != namespace or record.component != component:
        raise AbsorbError(
            f"component {component} drafted a row for {record.component} in namespace {record.namespace!r}; "
            f"it may only write its own rows in {namespace!r}"
        )
    if not record.sources:
        raise AbsorbError(f"component {component} drafted a row without a source: nothing could ever forget it")


def check_spans(record: Record, lengths: Mapping[str, int]) -> None:
    for source in record.sources:
        if not 0 <= source.start <= source.end <= lengths.get(source.event, source.end):
            raise AbsorbError(
                f"component {record.component} drafted a row from the characters {source.start} to {source.end} of "
                f"event {source.event}, which it does not have"
            )


def check_vector(record: Record, space: Space | None) -> None:
    if record.vector is None:
        return
    shape = None if space is None else (space.dimension,)
    if record.vector.shape != shape or not np.isfinite(record.vector).all():
        raise AbsorbError(
            f"component {record.component} drafted a vector of shape {record.vector.shape}, or with NaN or infinity in it; "
            f"the space in use has finite vectors of shape {shape}"
        )
