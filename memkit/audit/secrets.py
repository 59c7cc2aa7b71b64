"""Finds what looks like a secret in a text: by the form that its issuer gave it, its checksum, or the words before it.

Few false alarms matter more than the last secret: a token counts only where its form is certain, its checksum is right, or it
is both long and random. What is found is told by kind and place; the secret itself never leaves this module.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_BITS, _RANDOM_CHANGES = 4.0, 0.4  # of a random token: bits a character, and changes of class a character
_LEAST_RANDOM = 24  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Something that looks like a secret: `text[start:end]`."""

    kind: str
    start: int
    end: int


def secrets(text: str) -> list[Secret]:
    """What looks like a secret, in order, without overlaps; of two that overlap the more certain one."""
    found: list[Secret] = []
    for one in _every(text):
        if all(one.end <= other.start or one.start >= other.end for other in found):
            found.append(one)
    return sorted(found, key=lambda one: one.start)


def masked(text: str) -> str:
    """The text with "•••" in place of every secret."""
    for one in reversed(secrets(text)):
        text = f"{text[: one.start]}•••{text[one.end :]}"
    return text


def _every(text: str) -> Iterator[Secret]:
    """By certainty: issued forms, cards, passwords, and at last whatever is random."""
    for issued in _ISSUED:
        for found in issued.pattern.finditer(text) if issued.hint in text else ():
            if issued.genuine(found[0]):
                yield Secret(kind=issued.kind, start=found.start(), end=found.end())
    for found in _CARD.finditer(text):
        if _is_card(found[0]):
            yield Secret(kind="credit card number", start=found.start(), end=found.end())
    for found in _passwords(text):
        yield Secret(kind="password", start=found.start("value"), end=found.end("value"))
    for found in _TOKEN.finditer(text) if _LONG.search(text) else ():
        if _is_random(found[0]):
            yield Secret(kind="random token", start=found.start(), end=found.end())


# --- issued tokens --------------------------------------------------------------------------------


def _checksummed(token: str) -> bool:
    """GitHub's and npm's: the last six characters are the CRC-32 of what follows the prefix, in base 62."""
    body, check = token.partition("_")[2][:-6], token[-6:]
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits == check


def _no_example(token: str) -> bool:
    """AWS prints keys that end so in its manuals."""
    return not token.endswith("EXAMPLE")


def _is_jwt(token: str) -> bool:
    try:
        head = token.partition(".")[0]
        told = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(told, dict) and "alg" in told


def _mixed(token: str) -> bool:
    """A prefix alone proves little: what follows has digits and letters, and is not one sign over and over."""
    body = re.split("[-_]", token, maxsplit=1)[-1]
    return any(sign.isdigit() for sign in body) and any(sign.isalpha() for sign in body) and len(set(body)) > 8


@dataclass(frozen=True, slots=True)
class _Issued:
    """A form of an issuer: no text without the hint has it, and what has the form may still have to prove itself."""

    kind: str
    hint: str
    form: str
    genuine: Callable[[str], bool] = lambda token: True

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(rf"(?<![\w-]){self.form}(?![\w-])")  # re keeps what it compiled


_ISSUED = (
    *(_Issued("GitHub token", f"gh{kind}_", rf"gh{kind}_[A-Za-z0-9]{{36}}", _checksummed) for kind in "pousr"),
    _Issued("GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}", _mixed),
    _Issued("npm token", "npm_", r"npm_[A-Za-z0-9]{36}", _checksummed),
    *(
        _Issued("AWS access key", kind, rf"{kind}[A-Z2-7]{{16}}", _no_example)
        for kind in ("AKIA", "ASIA", "ABIA", "ACCA")
    ),
    _Issued("Google API key", "AIza", r"AIza[\w-]{35}", _mixed),
    _Issued("OpenAI key", "T3BlbkFJ", r"sk-(?:proj-|svcacct-|admin-)?[\w-]{16,160}T3BlbkFJ[\w-]{16,160}"),
    _Issued("Anthropic key", "sk-ant-", r"sk-ant-(?:api|admin|oat)\d{2}-[\w-]{80,120}"),
    _Issued("Stripe key", "k_live_", r"[sr]k_live_[A-Za-z0-9]{20,250}", _mixed),
    _Issued("Slack token", "xox", r"xox[abeoprs]-[A-Za-z0-9-]{20,250}", _mixed),
    _Issued("GitLab token", "glpat-", r"glpat-[\w-]{20,60}", _mixed),
    _Issued("Hugging Face token", "hf_", r"hf_[A-Za-z]{34}"),
    _Issued("SendGrid key", "SG.", r"SG\.[\w-]{22}\.[\w-]{43}"),
    _Issued("PyPI token", "pypi-", r"pypi-AgEIcHlwaS5vcmc[\w-]{50,250}"),
    _Issued("DigitalOcean token", "_v1_", r"do[opr]_v1_[a-f0-9]{64}", _mixed),
    _Issued("Telegram bot token", ":AA", r"\d{8,10}:AA[\w-]{33}"),
    _Issued("JSON Web Token", "eyJ", r"eyJ[\w-]{8,2000}\.eyJ[\w-]{8,4000}\.[\w-]{16,2000}", _is_jwt),
    _Issued(
        "private key",
        "PRIVATE KEY",
        r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s:,.-]{0,20000}",
    ),
)

# --- cards ----------------------------------------------------------------------------------------

_CARD = re.compile(r"(?<![\w.,:/#+-])[2-6][0-9]{3}(?:[ -]?[0-9]{2,6}){2,4}(?![\w-]|[.,:][0-9])")
_ISSUERS = re.compile(
    r"4[0-9]{15}|5[1-5][0-9]{14}|2(?:2[2-9]|[3-6][0-9]|7[01])[0-9]{13}|3[47][0-9]{13}|6(?:011|5[0-9]{2})[0-9]{12}"
)


def _is_card(written: str) -> bool:
    """A number of an issuer, with the right check digit (Luhn), grouped as cards are or not at all."""
    digits = re.sub("[ -]", "", written)
    groups = [len(group) for group in re.split("[ -]", written)]
    if groups not in ([len(digits)], [4, 4, 4, 4], [4, 6, 5]) or not _ISSUERS.fullmatch(digits) or len(set(digits)) < 2:
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0


# --- passwords ------------------------------------------------------------------------------------

_WHOSE = r"\b(?:my|our|the|his|her|their)\s(?:[\w'’-]+\s){0,3}?"
_WORDS = r"pass(?:word|phrase|code|wort)|passwd"
_KEYS = (
    rf"{_WORDS}|pwd|pin(?: code)?|api[ _-]?key|(?:secret|private|access)[ _-]key|(?:client|app)[ _-]secret|"
    "(?:access|auth)[ _-]token"
)
_IS = r"\s(?:\S{1,20}\s){0,4}?(?:is|was)(?:\s(?:now|still))?:?\s[\"'“‘`]?"
_VALUE_ENDS = r"(?=[\"'”’`]|[.,;!?)]*(?:\s|\Z))"
_NAMED = ("pass", "pwd", "pin", "key", "secret", "token")  # no password is told without one of these
_SAID = re.compile(rf"{_WHOSE}(?:{_KEYS}){_IS}(?P<value>[^\s\"'”’`]{{4,80}}?){_VALUE_ENDS}", re.IGNORECASE)
_SAID_PLAINLY = re.compile(
    rf"{_WHOSE}(?:{_WORDS}){_IS}(?P<value>[^\W\d_]{{4,30}})(?=[\"'”’`]?[.,;!?)]*\s*(?:\Z|\n|(?-i:[A-Z])))",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(
    rf"(?<![a-z0-9])(?:{_KEYS})[\"']?\s?(?:=|:|:=)\s?[\"'`]?(?P<value>[^\s\"'`,;)]{{6,200}})", re.IGNORECASE
)
_IN_URL = re.compile(r"(?<!\w)[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,80}:(?P<value>[^\s:/@]{4,80})@[\w.\[]")
_PLACEHOLDER = re.compile(
    r"[<{\[$%*]|x{3,}|\.{3,}|…|changeme|your[_-]?|example|placeholder|redacted|dummy|password|secret|none|null|true|false",
    re.IGNORECASE,
)
# What a password "is" when nobody tells it: "my password is wrong".
_PREDICATES = frozenset(
    "about again always also back bad broken correct different easy enough expired fine gone good hard here impossible incorrect "
    "invalid known lost missing never necessary nowhere obvious okay optional public reset right safe same secure short simple "
    "somewhere stolen strong there this unknown unsafe valid weak what where wrong yours".split()
)  # fmt: skip


def _passwords(text: str) -> Iterator[re.Match[str]]:
    """Told in talk, a password is a word with a digit or a sign in it, or a plain one at the end of a sentence; in a line of
    settings it has letters and digits."""
    if "://" in text:
        yield from (found for found in _IN_URL.finditer(text) if not _is_placeholder(found["value"]))
    lowered = text.lower()
    if not any(name in lowered for name in _NAMED):
        return
    for found in _SAID.finditer(text):
        value = found["value"].strip(".,;!?")
        if any(not sign.isalpha() and sign not in "-'’" for sign in value) and not _is_placeholder(value):
            yield found
    for found in _SAID_PLAINLY.finditer(text):
        value = found["value"].casefold()
        if value not in _PREDICATES and not value.endswith(("ed", "ing", "ly", "en")) and not _is_placeholder(value):
            yield found
    for found in _ASSIGNED.finditer(text):
        value = found["value"]
        if any(map(str.isdigit, value)) and any(map(str.isalpha, value)) and not _is_placeholder(value):
            yield found


def _is_placeholder(value: str) -> bool:
    return len(set(value)) < 3 or _PLACEHOLDER.match(value) is not None


# --- randomness -----------------------------------------------------------------------------------

_DIGEST = re.compile("sha[0-9]{1,3}-")  # of a file: npm's and browsers' integrity
_LONG = re.compile("[A-Za-z0-9+/_-]{24}")
_TOKEN = re.compile(
    r"(?<![\w/+.:@#=&?%-])(?=[\w+/-]*[0-9])(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])[A-Za-z0-9+/_-]{24,200}={0,2}(?![\w/+:@-]|\.\w)"
)


def _is_random(token: str) -> bool:
    """Long, with about as many bits a character as drawn signs have, and changing between capitals, small letters and digits as
    no name or path does."""
    body = token.rstrip("=")
    if _DIGEST.match(body):
        return False
    if len(body) < _LEAST_RANDOM or any(
        len(part) < 4 for part in re.split("[/+_-]", body) if part.isalpha() and "/" in body
    ):
        return False
    counts = Counter(body)
    bits = -sum(count / len(body) * math.log2(count / len(body)) for count in counts.values())
    classes = ["u" if sign.isupper() else "l" if sign.islower() else "d" if sign.isdigit() else "s" for sign in body]
    changes = sum(a != b for a, b in pairwise(classes)) / (len(body) - 1)
    return bits >= _RANDOM_BITS and changes >= _RANDOM_CHANGES
