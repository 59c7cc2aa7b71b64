"""Texts as countable terms: what is a word, which words are the same, and a compact form for a SQL column.

A term is known by 64 bits of a hash. No vocabulary is kept, so that a forgotten text leaves no word behind. The cache
of this process, from words to terms, is bounded, and `forget_words` empties it.

A word is folded (compatibility forms, case, accents), loses the tail of a contraction ("ana's", "we're"), and if it is
of Latin letters is reduced to its English stem. Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese are written
without spaces or glue endings to words; there each two neighbouring characters are a term, so that a part of a text
is found by any two of its characters. A Han character means something by itself and is a term as well. So is an emoji.
"""

from __future__ import annotations

import itertools
import re
import struct
import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import Stemmer
from numpy.typing import NDArray

VERSION = 1  # of the packed form; its first byte
MOST = 0xFFFF  # a term that occurs more often in one text counts as if it occurred this often
CACHED_WORDS = 1 << 16  # in each of two caches, about 8 MB; English conversation has some 30,000 forms
LONGEST_CACHED = 40  # characters; longer ones are addresses, keys and encoded files, which do not come back

# What a question can do without. Words that are names as well (may, will, mark) are not here.
_TELLING_NOTHING = """
    a about after all also am an and any are aren't as at be because been before being between both but by can can't
    could couldn't did didn't do does doesn't doing don don't down during each few for from further had hadn't has
    hasn't have haven't having he her here hers herself him himself his how i if in into is isn't it its itself just
    me more most my myself no nor not now of off on once only or other our ours ourselves out over own same she
    should shouldn't so some such than that the their theirs them themselves then there these they this those
    through to too under until up very was wasn't we were weren't what when where which while who whom why with
    won't would wouldn't you your yours yourself yourselves
"""
STOP_WORDS = frozenset(_TELLING_NOTHING.split())

_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_GLUED = (
    _HAN
    + "\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # kana
    + "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"  # Hangul
    + "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf"  # Thai, Lao
    + "\u1000-\u103f\u1050-\u108f\u1780-\u17d3"  # Burmese, Khmer
)
# Vowel signs, which Python's \w does not know, inside words of India, Tibet and the Maldives.
_SIGNS = "\u0900-\u0963\u0971-\u0dff\u0f18\u0f19\u0f35-\u0f39\u0f71-\u0f84\u0f86-\u0fbc\u07a6-\u07b0"
_EMOJI = "\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
_TAIL = "(?:'(?:s|t|m|d|re|ve|ll)(?![^\\W_]))?"
_PLAIN = re.compile(f"[^\\W_]+{_TAIL}", re.ASCII)
_PLAIN_BYTES = bytes(byte if chr(byte).isalnum() else 32 for byte in range(128)) + bytes(128)
_ANY = re.compile(
    f"[{_GLUED}]+|[^\\W_{_GLUED}]+(?:[{_SIGNS}]+[^\\W_{_GLUED}]*)*{_TAIL}|[{_EMOJI}]",
)
_IS_GLUED = re.compile(f"[{_GLUED}]").match
_IS_HAN = re.compile(f"[{_HAN}]").match

_TYPOGRAPHY = (("’", "'"), ("‘", "'"), ("“", " "), ("”", " "), ("–", " "), ("—", " "), ("…", " "), ("\u00a0", " "))
# Strokes and ligatures that Unicode does not take apart, a rarer apostrophe, and what is not seen.
_FOLDED = str.maketrans(
    {"ʼ": "'", "＇": "'", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
    | dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff\u0640", "")
)
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]+")


def fold(text: str) -> str:
    """The text with what searching does not distinguish made the same: compatibility forms, case, accents."""
    if not text.isascii():  # most often for its typography alone, and that is quickly set right
        for typographic, plain in _TYPOGRAPHY:
            text = text.replace(typographic, plain)
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text).casefold().translate(_FOLDED)
    return unicodedata.normalize("NFKC", _ACCENTS.sub("", apart))


class _Stems(dict[str, str]):
    """From a folded word to its stem. Words that were not asked for yet are worked out."""

    def __init__(self) -> None:
        super().__init__()
        self._stemmer = Stemmer.Stemmer("english", 0)  # 0: no cache of its own

    def __missing__(self, word: str) -> str:
        head, _, tail = word.partition("'")
        if tail == "t":
            head += tail
        stem: str = self._stemmer.stemWord(head) if head.isascii() and head.isalpha() else head
        if len(self) >= CACHED_WORDS:
            self.clear()
        if len(word) <= LONGEST_CACHED:
            self[word] = stem
        return stem


class _Hashes(dict[str, int]):
    """From a folded word to the hash of its stem."""

    def __missing__(self, word: str) -> int:
        value = hashed(_stems[word])
        if len(self) >= CACHED_WORDS:
            self.clear()
        if len(word) <= LONGEST_CACHED:
            self[word] = value
        return value


_stems = _Stems()
_hashes = _Hashes()


def hashed(term: str) -> int:
    """The 64 bits by which a term is known, the same on every machine."""
    return int.from_bytes(blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def forget_words() -> None:
    """Empty the cache of words, in which those of a forgotten text may still be."""
    _stems.clear()
    _hashes.clear()


def terms(text: str) -> list[str]:
    """The terms under which a text is found, in order, with repetition."""
    return [_stems[word] for word in _words(text, alone=True)]


def asked(text: str) -> list[str]:
    """The distinct terms of a question, in order; without stop words, unless it has nothing else."""
    words = _words(text, alone=False)
    telling = [word for word in words if word not in STOP_WORDS and word.partition("'")[0] not in STOP_WORDS]
    return list(dict.fromkeys(_stems[word] for word in telling or words))


def _words(text: str, *, alone: bool) -> list[str]:
    """The folded words. With `alone`, every Han character is also one by itself."""
    folded = fold(text)
    if folded.isascii():
        if "'" in folded:
            return _PLAIN.findall(folded)
        return folded.encode().translate(_PLAIN_BYTES).decode().split()  # the same words, four times as fast
    words: list[str] = []
    for word in _ANY.findall(folded):
        if not _IS_GLUED(word):
            words.append(word)
            continue
        if len(word) == 1:
            words.append(word)
            continue
        words += map("".join, itertools.pairwise(word))
        if alone:
            words += filter(_IS_HAN, word)
    return words


def hashed_mark(mark: str) -> int:
    """The 64 bits of a mark. No term begins with what stands before it here, so that no question meets it."""
    return hashed("\0" + mark)


def pack(text: str, marks: Sequence[str] = ()) -> bytes:
    """The distinct terms of a text with their counts: a version byte, the hashes (uint64), the counts (uint16).

    Little-endian, in the order in which the text has them first. Marks come last, as terms that occur 0 times: they
    add nothing to a row's length.
    """
    tally: dict[int, int] = {}
    count = tally.get
    for term in map(_hashes.__getitem__, _words(text, alone=True)):
        tally[term] = count(term, 0) + 1
    size = len(tally)
    if max(tally.values(), default=0) > MOST:
        tally = {term: min(value, MOST) for term, value in tally.items()}
    if marks:
        tally.update(dict.fromkeys(map(hashed_mark, marks), 0))
        size = len(tally)
    return struct.pack(f"<B{size}Q{size}H", VERSION, *tally, *tally.values())


def unpack_many(blobs: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint16]]:
    """The sizes of packed texts (how many distinct terms each has), and all their terms and counts, one after another.

    Raises ValueError for a blob that `pack` did not make.
    """
    lengths = np.fromiter(map(len, blobs), np.int64, len(blobs))
    sizes, rest = np.divmod(lengths - 1, 10)
    data = np.frombuffer(b"".join(blobs), np.uint8)
    if rest.any() or (lengths == 0).any() or (data[np.cumsum(lengths) - lengths] != VERSION).any():
        raise ValueError("a packed text is damaged, or of a version that this memkit does not know")
    # A blob is [version][terms][counts]: one label for each byte says which of the three it belongs to.
    widths = np.empty((len(blobs), 3), np.int64)
    widths[:, 0], widths[:, 1], widths[:, 2] = 1, 8 * sizes, 2 * sizes
    part = np.repeat(np.tile(np.arange(3, dtype=np.uint8), len(blobs)), widths.ravel())
    return sizes, data[part == 1].view("<u8").astype(np.uint64), data[part == 2].view("<u2").astype(np.uint16)
