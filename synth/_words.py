"""Texts as word codes: what is compared when texts are, whatever their case and punctuation."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import xxhash
from numpy.typing import NDArray

Codes = NDArray[np.uint64]
_WORD = re.compile(r"\w+")
_FACTOR = 0x9E3779B97F4A7C15
_KNOWN_MOST = 1_000_000
_known: dict[str, int] = {}


def words(text: str) -> list[str]:
    """Lower-case words of a text, in compatibility form (NFKC); marks between them are dropped."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _WORD.findall(text.lower())


def codes(words_of_it: list[str]) -> Codes:
    """64 bits a word."""
    if len(_known) > _KNOWN_MOST:
        _known.clear()
    known = _known
    values = []
    for word in words_of_it:
        code = known.get(word)
        if code is None:
            encoded = word.encode(errors="surrogatepass")
            code = known[word] = xxhash.xxh3_64_intdigest(encoded)
        values.append(code)
    return np.array(values, np.uint64)


def code_of(words_of_it: list[str]) -> int:
    """64 bits for a whole text."""
    text = " ".join(words_of_it).encode(errors="surrogatepass")
    return xxhash.xxh3_64_intdigest(text)


def grams(word_codes: Codes, length: int) -> Codes:
    """One code for every run of `length` words, in order; none if there are fewer words."""
    count = len(word_codes) - length + 1
    if count <= 0:
        return np.zeros(0, np.uint64)
    mixed = np.zeros(count, np.uint64)
    factor = np.uint64(_FACTOR)
    for start in range(length):
        mixed = mixed * factor + word_codes[start : start + count]
    return mixed ^ (mixed >> np.uint64(29))


def shingles(text: str) -> Codes:
    """The different word triples of a text, sorted; of shorter ones, the text as a whole."""
    word_codes = codes(words(text))
    if len(word_codes) < 3:
        return grams(word_codes, max(1, len(word_codes)))
    return np.unique(grams(word_codes, 3))


def jaccard(first: Codes, second: Codes) -> float:
    """Shared over all of two sorted sets; of two empty ones, 1."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    every = len(first) + len(second) - shared
    return shared / every if every else 1.0
