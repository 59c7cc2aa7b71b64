"""What a server's failure means, by its HTTP status. Knows no library.

The texts name the status, and the short code that a server gave it; never the server's own words, which may quote
the request: errors are kept when texts are to be forgotten. Those words are in the error's cause.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from memkit.errors import ModelError, UnreachableError

PASSING = frozenset({408, 409, 425, 429})  # and whatever is above 499
LASTING: Mapping[int, str] = {
    401: "the key was refused; pass api_key=, or set OPENAI_API_KEY",
    402: "there is no credit left",
    403: "the key may not use this model; ask whoever gave it out",
    404: "there is no such model or address; check the model's name and base_url",
}
SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})  # a 429 that waiting does not mend
CODE = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")


def failure(where: str, status: int, *, code: object = None, headers: Mapping[str, str] | None = None) -> ModelError:
    """The error for a reply with this status from the server called `where`."""
    named = f" {code}" if isinstance(code, str) and CODE.fullmatch(code) else ""
    told = f"{where}: {{}} ({status}{named})"
    if code in SPENT:
        return UnreachableError(told.format("there is no credit left"), again=False)
    if status in LASTING:
        return UnreachableError(told.format(LASTING[status]), again=False)
    if 300 <= status < 400:
        return UnreachableError(told.format("it points elsewhere; set base_url to where it is"), again=False)
    if status in PASSING or status >= 500:
        why = "too many requests" if status == 429 else "the server failed"
        return UnreachableError(told.format(why), again=True, after=asked_to_wait(headers or {}))
    return ModelError(told.format("the request was refused; it may be longer than the model reads"))


def asked_to_wait(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks to be left alone, if it does."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        told = headers.get(name)
        if told is None:
            continue
        try:
            seconds = float(told) * unit
        except ValueError:
            seconds = _until(told)
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def _until(date: str) -> float:
    """The seconds until an HTTP date; not finite when the text is none."""
    try:
        at = parsedate_to_datetime(date)
    except (ValueError, OverflowError):  # the year may have any number of digits
        return math.nan
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
