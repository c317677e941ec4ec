"""What is done to a text: cleaning it, and the keys by which two texts count as the same."""

import hashlib
import html
import re
import sys
import unicodedata

# Only real element names: `<3`, `a < b > c` and `<sigh>` are text. Source: the HTML Living Standard's index of elements.
_BREAKING = (
    "address article aside blockquote body br caption center col colgroup dd details dialog div dl dt fieldset figcaption "
    "figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe img legend li link main menu meta "
    "nav ol optgroup option p pre section select summary table tbody td tfoot th thead title tr ul video"
).split()
_INLINE = (
    "a abbr acronym audio b bdi bdo big button cite code data datalist del dfn em embed font i input ins kbd label map mark "
    "meter noscript object output picture progress q rp rt ruby s samp script slot small source span strike strong style sub "
    "sup svg template textarea time tt u var wbr"
).split()


def _tag(names: list[str]) -> str:
    return rf"</?(?:{'|'.join(names)})(?:\s[^<>]*|/)?>"


_MOST_NESTED = 50  # times that entities may be written inside entities: bounds the time that a hostile text takes
_UNSEEN = re.compile(r"<(script|style)\b[^<>]*>.*?</\1\s*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_BREAKING_TAGS = re.compile(rf"\s*(?:{_tag(_BREAKING)}\s*)+", re.IGNORECASE)
_INLINE_TAG = re.compile(_tag(_INLINE), re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);")


def strip_html(text: str) -> str:
    """Remove HTML and resolve entities.

    Parameters
    ----------
    text : str
        Any text; what is no HTML element (``<3``, ``a < b > c``) is left alone.

    Returns
    -------
    str
        The text without tags, comments, scripts and styles. A tag that breaks a line on a page
        (``<br />``, ``<p>``, ``<td>``) becomes one space, an inline one (``<b>``) nothing.
    """
    if "<" in text:
        text = _UNSEEN.sub(" ", text)
        text = _BREAKING_TAGS.sub(" ", text)
        text = _INLINE_TAG.sub("", text)
    if "&" in text:
        text = _ENTITY.sub(lambda match: html.unescape(match.group()), text)
    return text


def clean(text: str, html_too: bool) -> str:
    """Bring a text into the form the model sees: Unicode NFC, without outer white space.

    A cleaned text stays as it is when it is cleaned again, so that a model answers for raw and for cleaned rows alike: HTML that
    was escaped, even several times, is removed too.

    Parameters
    ----------
    text : str
        The text as the source has it.
    html_too : bool
        Also `strip_html`.
    """
    cleaned = _clean_once(text, html_too)
    for _ in range(_MOST_NESTED):
        if cleaned == text:
            break
        text, cleaned = cleaned, _clean_once(cleaned, html_too)
    return cleaned


def _clean_once(text: str, html_too: bool) -> str:
    if html_too:
        text = strip_html(text)
    return unicodedata.normalize("NFC", text).strip()


_PUNCTUATION = {code: " " for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)).startswith("P")}


_PLAIN_STOPS = ".,;'\""
_OTHER_STOPS = re.compile("[\u3002\uff0c\u3001\uff1b\u2026\u201c\u201d\u2018\u2019\u00ab\u00bb]")


def normalise(text: str) -> str:
    """Reduce a text to what tells it from others: Unicode NFKC, case folded, words without punctuation.

    Symbols and emoji stay (they can be all that a review says); a text of punctuation alone is
    left as it is.
    """
    return _words(_folded(text))


def normalise_twice(text: str) -> tuple[str, str]:
    """Return a text as `normalise` does, and once more with the punctuation that can turn its meaning.

    The second keeps ``:)`` and ``:(``, ``5%`` and ``5``, ``C#`` and ``C`` apart; full stops, commas, semicolons and quotes go.
    """
    folded = bare = _folded(text)
    for stop in _PLAIN_STOPS:
        bare = bare.replace(stop, " ")
    if not bare.isascii():
        bare = _OTHER_STOPS.sub(" ", bare)
    return _words(folded), " ".join(bare.split())


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _words(folded: str) -> str:
    words = " ".join(folded.translate(_PUNCTUATION).split())
    return words or " ".join(folded.split())


def key(text: str) -> int:
    """Return a 64-bit BLAKE2b digest of a text.

    Among a million texts two different ones share a key with a probability of 3e-8.
    """
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest(), "little")
