"""What a name is known by."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memkit.components.hipporag.normalise import Normaliser, normaliser, published, unicode

PUBLISHED = [
    ("Lisbon", "lisbon"),
    ("  St. Mary's  ", "st  mary s"),  # a dot and a blank are two blanks, and both are kept
    ("1980–1985", "1980 1985"),
    ("A--B", "a  b"),
    ("tab\tand\nline", "tab and line"),
    ("Århus", "rhus"),
    ("東京", ""),
    ("$", ""),
    ("İstanbul", "i stanbul"),  # lower case has two characters, the second of which is a mark
    ("", ""),
]
UNICODE = [
    ("Lisbon", "lisbon"),
    ("  St. Mary's  ", "st mary s"),
    ("1980–1985", "1980 1985"),
    ("A--B", "a b"),
    ("snake_case", "snake case"),
    ("Århus", "århus"),
    ("A\u030arhus", "århus"),
    ("Straße", "strasse"),
    ("STRASSE", "strasse"),
    ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
    ("Σίσυφος", "σίσυφοσ"),
    ("Москва-река", "москва река"),
    ("東京", "東京"),
    ("ＡＢＣ　１２３", "abc 123"),
    ("हिन्दी", "हिन्दी"),
    ("مَدينة", "مَدينة"),
    ("می\u200cخواهم", "میخواهم"),
    ("co\u00adoperate", "cooperate"),
    ("ﬁn", "fin"),
    ("x²", "x2"),
    ("$", "$"),
    ("  €  ", "€"),
    ("😀", "😀"),
    ("C++", "c"),
    ("\x00\x01", ""),
    ("\ud800", ""),
    ("\u200b", ""),
    ("", ""),
    ("   ", ""),
]


@pytest.mark.parametrize(("text", "key"), PUBLISHED, ids=[ascii(text) for text, _ in PUBLISHED])
def test_the_published_key_is_that_of_the_original(text: str, key: str) -> None:
    assert published(text) == key


@pytest.mark.parametrize(("text", "key"), UNICODE, ids=[ascii(text) for text, _ in UNICODE])
def test_the_default_keeps_letters_marks_and_digits_of_every_script(text: str, key: str) -> None:
    assert unicode(text) == key


@given(st.text())
def test_a_key_is_its_own_key_and_has_no_blanks_to_spare(text: str) -> None:
    key = unicode(text)
    assert unicode(key) == key
    assert key == " ".join(key.split())


@given(st.text(st.characters(codec="ascii")))
def test_for_ascii_both_have_the_same_words(text: str) -> None:
    assert published(text) == "" or unicode(text).split() == published(text).split()


@given(st.text())
def test_composed_and_decomposed_texts_have_one_key(text: str) -> None:
    assert unicode(unicodedata.normalize("NFD", text)) == unicode(unicodedata.normalize("NFC", text))


@given(st.text(st.characters(categories=["L", "N"]), min_size=1))
def test_what_has_letters_or_digits_always_has_a_key(text: str) -> None:
    assert unicode(text) != ""


def test_it_is_chosen_by_name_or_given_as_a_function() -> None:
    assert normaliser("unicode") is unicode
    assert normaliser("published") is published
    given: Normaliser = str.upper
    assert normaliser(given) is given
    with pytest.raises(ValueError, match="it can be 'unicode' or 'published', or a function"):
        normaliser("latin")  # type: ignore[arg-type]
