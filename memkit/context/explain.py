"""Why each hit came, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from memkit.context.plan import plan
from memkit.context.quote import line_of
from memkit.values import Cue, Hit

_SHOWN = 200  # characters of a question or a text
_DETAIL = re.compile(r"[._ ]")


def explain(hits: Sequence[Hit], cue: Cue, seconds: Mapping[str, float]) -> str:
    """A paragraph for each hit: rank, score, component, source mark, date, speaker; its text; its reasons, one a line.

    A reason "words.rank" or "words.terms" is told with the reason "words": `words 0.61 (rank 1: lisbon, moved)`.
    """
    asked = f'"{line_of(cue.text, _SHOWN)}" in namespace "{line_of(cue.where.namespace, _SHOWN)}"{_took(seconds)}'
    if not hits:
        floor = "" if cue.floor is None else f" of {cue.floor:g}"
        among = " in what the filters admit" if cue.where.narrows else ""
        return f"No hits for {asked}: nothing{among} was above the floor{floor}."
    entries = plan(hits)
    marks = {rank: group.mark for group in entries.groups for rank in group.ranks}
    head = f"{len(hits)} {'hit' if len(hits) == 1 else 'hits'} for {asked}:"
    return "\n\n".join([head, *(_hit(rank, hit, marks[rank - 1]) for rank, hit in enumerate(hits, 1))])


def _hit(rank: int, hit: Hit, mark: int) -> str:
    record = hit.record
    where = [record.at.date().isoformat(), record.author or record.role, record.session and f"session {record.session}"]
    about = ", ".join(line_of(part, _SHOWN) for part in where if part)
    lines = [f"{rank}. {hit.score:.2f} {hit.component} [{mark}] {about}", line_of(hit.text, _SHOWN), *_reasons(hit.why)]
    if hit.before or hit.after:
        lines.append(f"neighbours: {len(hit.before)} before, {len(hit.after)} after")
    return "\n   ".join(lines)


def _reasons(why: Mapping[str, float | str]) -> list[str]:
    """One line for each reason, its details in parentheses."""
    details: dict[str, dict[str, str]] = {}
    for name, value in why.items():
        reason, *detail = _DETAIL.split(name, maxsplit=1)
        reason, part = (reason, detail[0]) if detail and reason in why else (name, "")
        if name == "terms" and "words" in why:  # the terms are what the words' share is of
            reason, part = "words", name
        details.setdefault(reason, {})[part] = _value(value, whole=name.endswith("rank"))
    return [_reason(line_of(name, _SHOWN), parts) for name, parts in details.items()]


def _reason(name: str, parts: dict[str, str]) -> str:
    value = parts.pop("", "")
    terms = parts.pop("terms", "")
    told = ", ".join(f"{part.replace('_', ' ')} {detail}" for part, detail in parts.items())
    told = ": ".join(part for part in (told, terms) if part)
    return f"{name} {value}" + (f" ({told})" if told else "")


def _value(value: float | str, *, whole: bool) -> str:
    if isinstance(value, str):
        return line_of(value, _SHOWN)
    if whole or isinstance(value, int):
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 0.01 or value == 0 else f"{value:.1e}"


def _took(seconds: Mapping[str, float]) -> str:
    if not seconds:
        return ""
    stages = ", ".join(f"{stage} {1000 * took:.1f}" for stage, took in seconds.items())
    return f" in {1000 * sum(seconds.values()):.1f} ms ({stages})"
