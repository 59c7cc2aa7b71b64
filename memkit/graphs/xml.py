"""What XML cannot hold."""

from __future__ import annotations

import re

# Control characters, halves of characters, and two that are none: not even as a reference (XML 1.0, production 2).
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def harmless(text: str) -> str:
    """The text with a sign in place of each such character."""
    return _REFUSED.sub("\N{REPLACEMENT CHARACTER}", text)
