"""What the rows of a draft must be, checked before anything is stored. Raises AbsorbError, which names the component."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from memkit.errors import AbsorbError
from memkit.values import Extraction, Record, Space


def check_owner(row: Record | Extraction, namespace: str, component: str) -> None:
    if row.namespace != namespace or row.component != component:
        raise AbsorbError(
            f"component {component} drafted a row for {row.component} in namespace {row.namespace!r}; "
            f"it may only write its own rows in {namespace!r}"
        )
    if isinstance(row, Record) and not row.sources:
        raise AbsorbError(f"component {component} drafted a row without a source: nothing could ever forget it")


def check_spans(record: Record | Extraction, lengths: Mapping[str, int]) -> None:
    for source in record.sources if isinstance(record, Record) else (record.source,):
        if not 0 <= source.start <= source.end <= lengths.get(source.event, source.end):
            raise AbsorbError(
                f"component {record.component} drafted a row from the characters {source.start} to {source.end} of "
                f"event {source.event}, which it does not have"
            )


def check_names(extraction: Extraction) -> None:
    told = [text for fact in extraction.facts for text in (fact.subject, fact.object)]
    if not all((*extraction.names, *told)):
        raise AbsorbError(f"component {extraction.component} drafted an extraction with an empty name")
    if len(set(extraction.names)) < len(extraction.names):
        raise AbsorbError(f"component {extraction.component} drafted an extraction that has a name twice")


def check_vector(record: Record, space: Space | None) -> None:
    if record.vector is None:
        return
    shape = None if space is None else (space.dimension,)
    if record.vector.shape != shape or not np.isfinite(record.vector).all():
        raise AbsorbError(
            f"component {record.component} drafted a vector of shape {record.vector.shape}, or with NaN or infinity in it; "
            f"the space in use has finite vectors of shape {shape}"
        )
