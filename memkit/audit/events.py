"""What is wrong with what was told: secrets, and what is said again and again."""

from __future__ import annotations

from collections.abc import Iterator

from memkit.audit.findings import Finding
from memkit.audit.likeness import LEAST_EXACT, Likeness
from memkit.audit.secrets import secrets
from memkit.hygiene import fingerprint, memorable, own
from memkit.values import Event

_PEOPLE = frozenset({"", "user", "human"})

Speaker = tuple[str, str]  # namespace, and who


class EventAudit:
    """Is shown every event once, in the order of the journal."""

    def __init__(self) -> None:
        self.events = self.machinery = self.recalled = 0
        self.namespaces: dict[str, None] = {}  # in order
        self._found: list[Finding] = []
        self._said: dict[Speaker, Likeness[str]] = {}
        self._first: dict[
            tuple[str, str], str
        ] = {}  # by namespace and fingerprint: the event in which it was said first
        self._again: dict[tuple[str, str, str], list[str]] = {}  # by kind, namespace, first event: the later ones

    def see(self, event: Event) -> None:
        self.events += 1
        self.namespaces[event.namespace] = None
        self._search(event)
        if not memorable(event):
            self.machinery += 1
            return
        spans = own(event.text)
        if spans != [(0, len(event.text))]:
            self.recalled += 1
        self._compare(event, " ".join(event.text[start:end] for start, end in spans))

    def findings(self) -> Iterator[Finding]:
        yield from self._found
        for (kind, namespace, first), later in self._again.items():
            times = "once more" if len(later) == 1 else f"{len(later):,} more times"
            yield Finding(
                kind=kind, namespace=namespace, events=tuple(later), detail=f"what event {first} says is said {times}"
            )

    def _search(self, event: Event) -> None:
        parts = {
            "": event.text,
            **{f" of metadata {key!r}": text for key, text in event.metadata.items() if isinstance(text, str)},
        }
        for where, text in parts.items():
            for secret in secrets(text):
                self._found.append(
                    Finding(
                        kind="secret",
                        namespace=event.namespace,
                        events=(event.id,),
                        detail=f"looks like a {secret.kind}: characters {secret.start} to {secret.end}{where}",
                    )
                )

    def _compare(self, event: Event, text: str) -> None:
        """By one speaker; what an assistant says also with what anybody said before, in the same words."""
        speaker = (event.namespace, event.author or (event.role or "").lower())
        found = self._said.setdefault(speaker, Likeness()).earlier(text, event.id)
        if found is not None:
            self._note(event, *found)
        elif len(text.split()) >= LEAST_EXACT:
            first = self._first.setdefault((event.namespace, fingerprint(text)), event.id)
            if first != event.id and (event.role or "").lower() not in _PEOPLE:
                self._note(event, first, 1.0)

    def _note(self, event: Event, first: str, alike: float) -> None:
        kind = "duplicate" if alike == 1 else "near-duplicate"
        self._again.setdefault((kind, event.namespace, first), []).append(event.id)
