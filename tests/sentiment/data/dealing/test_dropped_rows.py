"""The examples of dropped rows, as a person reads them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.data.dealing.dropped_rows import escape

SIGNS = r"\`*_[]<>|~&$"


@given(st.text(alphabet=st.one_of(st.sampled_from(SIGNS + "\n\r\t\u2028\x00\x1b a"), st.characters())))
def test_no_text_breaks_out_of_its_cell(text: str) -> None:
    escaped = escape(text)
    assert len(escaped.splitlines()) <= 1 and escaped.isprintable()
    bare = re.sub(r"\\[" + re.escape(SIGNS) + "]", "", escaped)
    assert not set(bare) & set(SIGNS)


@pytest.mark.parametrize(
    ("text", "shown"), [("a | b", r"a \| b"), ("<b>_x_</b>", r"\<b\>\_x\_\</b\>"), ("two\nlines", "two lines"), ("5 * 3", r"5 \* 3")]
)
def test_signs_of_markdown_are_shown_as_they_are(text: str, shown: str) -> None:
    assert escape(text) == shown
