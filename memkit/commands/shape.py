"""memkit's values as JSON objects. The names are those of the values' fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memkit.context.pack import Dropped
    from memkit.context.prompt import Context, Messages
    from memkit.context.recall import Recall
    from memkit.values import Forgotten, Hit, Receipt, Record, Source, Stats

Shaped = dict[str, object]


def of_receipt(receipt: Receipt) -> Shaped:
    return {"added": receipt.added, "known": len(receipt.ids) - receipt.added, "ids": list(receipt.ids)}


def of_recall(found: Recall) -> Shaped:
    return {
        "question": found.cue.text,
        "namespace": found.cue.where.namespace,
        "hits": [{"rank": rank, **of_hit(hit)} for rank, hit in enumerate(found, start=1)],
        "seconds": dict(found.seconds),
    }


def of_hit(hit: Hit) -> Shaped:
    return {
        "score": round(hit.score, 6),
        "component": hit.component,
        "events": list(hit.events),
        **of_record(hit.record),
        "why": dict(hit.why),
        "before": [of_record(record) for record in hit.before],
        "after": [of_record(record) for record in hit.after],
    }


def of_record(record: Record) -> Shaped:
    return {
        "text": record.text,
        "namespace": record.namespace,
        "at": record.at.isoformat(),
        "recorded": record.recorded.isoformat(),
        "kind": record.kind,
        "role": record.role,
        "author": record.author,
        "session": record.session,
        "metadata": dict(record.metadata),
        "sources": _sources(record.sources),
    }


def of_context(context: Context) -> Shaped:
    return {"text": context.text, **_budget(context)}


def of_messages(messages: Messages) -> Shaped:
    return {"messages": list(messages), **_budget(messages)}


def _budget(packed: Context | Messages) -> Shaped:
    return {
        "used": packed.used,
        "kept": [list(hit.events) for hit in packed.kept],
        "dropped": [_dropped(one) for one in packed.dropped],
        "shortened": [list(hit.events) for hit in packed.shortened],
        "sources": {str(mark): _sources(sources) for mark, sources in packed.sources.items()},
    }


def _dropped(one: Dropped) -> Shaped:
    return {"events": list(one.hit.events), "text": one.hit.text, "reason": one.reason}


def of_forgotten(forgotten: Forgotten) -> Shaped:
    return {
        "events": forgotten.events,
        "records": forgotten.records,
        "replayed": forgotten.replayed,
        "proven": forgotten.proven,
        "traces": None if forgotten.traces is None else [asdict(trace) for trace in forgotten.traces],
        "searched": list(forgotten.searched),
    }


def of_stats(stats: Stats) -> Shaped:
    return {
        "namespaces": stats.namespaces,
        "events": stats.events,
        "records": _counts(stats.records),
        "pending": _counts(stats.pending),
        "deferred": [{**asdict(entry), "at": entry.at.isoformat()} for entry in stats.deferred],
        "spaces": [asdict(space) for space in stats.spaces],
        "unembedded": stats.unembedded,
        "bytes": stats.bytes,
    }


def _counts(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(counts)


def _sources(sources: Sequence[Source]) -> list[Shaped]:
    return [{"event": source.event, "start": source.start, "end": source.end} for source in sources]
