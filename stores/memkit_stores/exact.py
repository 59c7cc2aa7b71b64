"""JSON whose numbers survive PostgreSQL: jsonb keeps decimal digits, and the shortest digits of a large float are not its value.

5.191520690696851e+16 is 51915206906968512 and is written so; read as jsonb's digits it would become ...510.
"""

from __future__ import annotations

import json
from typing import Any

WHOLE = 2.0**53  # from here on every float is a whole number


def dumps(value: object) -> str:
    """JSON in which every number has all its digits."""
    return json.dumps(_spelt(value))


def loads(text: str | bytes) -> Any:
    """The inverse. A whole number that does not fit into 64 bits was a float."""
    return json.loads(text, parse_int=_number)


def _spelt(value: object) -> object:
    if isinstance(value, float) and abs(value) >= WHOLE:
        return int(value)
    if isinstance(value, dict):
        return {key: _spelt(inner) for key, inner in value.items()}
    return [_spelt(inner) for inner in value] if isinstance(value, list) else value


def _number(digits: str) -> int | float:
    number = int(digits)
    return number if -(2**63) <= number < 2**63 else float(number)
