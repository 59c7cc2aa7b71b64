"""What of a prompt does not count when a cassette compares it: what is different in every run."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from memkit.messages import Request

Mask: TypeAlias = Callable[[str], str]

_MOMENT = re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\d)")


def without_dates(text: str) -> str:
    """The text with "[date]" for every date and time in ISO 8601, as memkit puts them before what it recalls."""
    return _MOMENT.sub("[date]", text)


def masked(request: Request, mask: Mask) -> Request:
    """The request with the mask put over the contents of its messages and the arguments of calls in them."""
    return replace(
        request,
        messages=tuple(
            replace(
                message,
                content=mask(message.content),
                calls=tuple(replace(call, arguments=mask(call.arguments)) for call in message.calls),
            )
            for message in request.messages
        ),
    )
