"""Imports memkit under observation and prints what it did, as JSON. Runs in a fresh interpreter.

The recorders start before memkit is imported; what Python itself does at start-up is not seen.
"""

import _collections_abc
import json
import os
import sys
import threading
from collections.abc import Iterator, MutableMapping

SIDE_EFFECTS = ("socket.", "subprocess.", "os.", "_thread.", "shutil.", "tempfile.", "urllib.", "sqlite3.", "ctypes.")
PASSING_ON = {os.__file__, _collections_abc.__file__, "<frozen os>", "<frozen _collections_abc>"}  # getenv, Mapping.get
events: list[list[str]] = []
variables: list[list[str]] = []


def record_event(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str | bytes):  # an int is a file that is open already
        events.append(["open", os.fsdecode(arguments[0])])
    elif event.startswith(SIDE_EFFECTS) and event != "os.listdir":  # the import system lists folders
        events.append([event, repr(arguments[:1])])


class RecordedEnvironment(MutableMapping[str, str]):
    """The environment; each look at it is noted together with the file that looked."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        self.environment = environment

    def note(self, key: str) -> None:
        frame = sys._getframe(2)
        while frame.f_back and frame.f_code.co_filename in PASSING_ON:
            frame = frame.f_back
        variables.append([key, frame.f_code.co_filename])

    def __getitem__(self, key: str) -> str:
        self.note(key)
        return self.environment[key]

    def __setitem__(self, key: str, value: str) -> None:
        self.note(key)
        self.environment[key] = value

    def __delitem__(self, key: str) -> None:
        self.note(key)
        del self.environment[key]

    def __iter__(self) -> Iterator[str]:
        self.note("*")
        return iter(self.environment)

    def __len__(self) -> int:
        return len(self.environment)


os.environ = RecordedEnvironment(os.environ)  # type: ignore[assignment]  # noqa: B003
before = set(sys.modules)
sys.addaudithook(record_event)
import memkit  # noqa: E402

found = {
    "file": memkit.__file__,
    "events": list(events),
    "variables": list(variables),
    "modules": sorted(set(sys.modules) - before),
    "threads": threading.active_count(),
}
print(json.dumps(found))
