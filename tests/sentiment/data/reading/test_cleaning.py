"""Cleaning and comparing texts."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.data.reading.cleaning import clean, key, normalise, strip_html


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one<br /><br />two", "one two"),
        ("one <BR> two", "one two"),
        ("a <b>bold</b> word", "a bold word"),
        ("<p class='x'>one</p><p>two</p>", "one two"),
        ("I <3 it, 2 < 3 > 1", "I <3 it, 2 < 3 > 1"),
        ("<Alien> is a film", "<Alien> is a film"),
        ("salt &amp; pepper &lt;3 AT&T", "salt & pepper <3 AT&T"),
        ("a<script>alert('x')</script>b", "a b"),
        ("a<!-- b -->c", "a c"),
    ],
)
def test_html_goes_and_what_only_looks_like_it_stays(text: str, expected: str) -> None:
    assert strip_html(text).strip() == expected


def test_html_stays_where_it_is_not_to_be_removed() -> None:
    assert clean(" one<br />two ", html_too=False) == "one<br />two"


@given(st.text())
def test_cleaned_text_is_composed_and_has_no_outer_space(text: str) -> None:
    cleaned = clean(text, html_too=False)
    assert unicodedata.is_normalized("NFC", cleaned)
    assert cleaned == cleaned.strip()
    assert clean(cleaned, html_too=False) == cleaned


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.lists(st.text(alphabet="abcdefg", min_size=1), min_size=1), st.sampled_from([" ", "  ", ", ", "! ", "\n", "... "]))
def test_case_space_and_punctuation_do_not_tell_texts_apart(words: list[str], between: str) -> None:
    assert normalise(between.join(words).upper() + "!") == " ".join(words)


def test_emoji_and_symbols_do() -> None:
    assert normalise("👍") != normalise("👎")
    assert normalise("10/10") != normalise("1/10")


def test_a_key_is_always_the_same_and_fits_64_bits() -> None:
    assert key("a review") == key("a review") != key("a review.")
    assert 0 <= key("a review") < 2**64


PIECES = ["\u037e", "\u0301", " ", *"&amp; amp; &lt; lt; &gt; < > br / p script &#38; #38; &#x3c; ; a <!-- -->".split()]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=30), st.booleans())
def test_cleaning_twice_changes_nothing(text: str, html_too: bool) -> None:
    cleaned = clean(text, html_too)
    assert clean(cleaned, html_too) == cleaned


def test_html_that_was_escaped_goes_too_and_hostile_nesting_ends() -> None:
    assert clean("one&lt;br /&gt;two &amp;amp;amp; three", html_too=True) == "one two & three"
    assert clean("&" + "amp;" * 20_000 + "x", html_too=True).startswith("&amp;")
