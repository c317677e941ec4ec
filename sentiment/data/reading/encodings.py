"""Which encoding a text file is in: its mark, else UTF-8 where all of it is, else the most probable of the usual ones."""

import codecs
import re
from functools import lru_cache
from pathlib import Path

from sentiment.data.reading.raw_lines import DAMAGED, UTF_8, damaged, open_raw
from sentiment.terminal.errors import UserError

_MARKS = [(codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")]
# What a text in an encoding consists of beyond ASCII, and the share of it that is enough. Decoded as another one, it does not.
_KANA = "[\u3041-\u30ff]"
_HANZI = "[的一是不了在人有我他這这個个們们中來来上大為为和國国地到以說说時时要就出會会可也你對对生能而子那得下自之年過过後后作好很看都沒没，。！？]"
_ARABIC = "[ابتجحدرسعفقكلمنهويأةىءإآئصطشضخغذزثظ]"
_USUAL = {
    "gb18030": (_HANZI, 0.2),
    "big5": (_HANZI, 0.2),
    "cp932": (_KANA, 0.3),
    "euc_jp": (_KANA, 0.3),
    "cp949": ("[\uac00-\ud7a3]", 0.6),
    "cp1252": ("[éèàùâêîôûçëïüöäßñáíóúãõåøæœìòÉÀÄÖÜ’‘“”–—…£€°§´]", 0.9),
    "cp1250": ("[ąćęłńóśźżáčďéěíňřšťúůýžőűăâîşţäöüô’“”–]", 0.9),
    "cp1254": ("[çğıöşüâîÇĞİÖŞÜ’“”–]", 0.9),
    "cp1251": ("[оеаинтсрвл]", 0.5),
    "koi8_r": ("[оеаинтсрвл]", 0.5),
    "cp1256": (_ARABIC, 0.7),
    "cp1253": ("[α-ωάέήίόύώϊϋ]", 0.7),
    "cp1255": ("[א-ת]", 0.7),
    "cp874": ("[\u0e01-\u0e5b]", 0.9),
}
_LATIN = ("cp1252", "cp1250", "cp1254")
_DENSE = 0.25  # share of all letters that are beyond ASCII: more in any script but Latin, less in Latin
_SURE = 0.75
_BLOCK = 1 << 20
_SAMPLE = 200_000  # bytes
_ENOUGH = 8  # bytes beyond ASCII: fewer say nothing of an encoding
_MOSTLY = 10  # so many sound characters beyond ASCII to a broken one: UTF-8 with damage
_HIGH = re.compile(rb"[^\x00-\x7f]")


def encoding_of(path: Path) -> str:
    """Return the name of a file's encoding; a file that is UTF-8 but for a few bytes counts as UTF-8.

    Raises
    ------
    UserError
        Where the file cannot be decompressed.
    """
    state = path.stat()
    return _encoding_of(path, state.st_size, state.st_mtime_ns)


def check_encoding(name: str) -> str:
    """Return the encoding that a user names; a UserError where there is none of that name."""
    try:
        codecs.lookup(name)
        "".encode(name)
    except LookupError:
        raise UserError(f"--encoding {name}: no encoding of that name; usual ones are utf-8, utf-16, {', '.join(_USUAL)}") from None
    return name


@lru_cache(maxsize=1024)
def _encoding_of(path: Path, size: int, changed: int) -> str:
    try:
        with open_raw(path) as file:
            head = file.read(4096)
            for mark, name in _MARKS:
                if head.startswith(mark):
                    return name
            if (zeros := head.count(0)) > len(head) // 8:
                return "utf-16-le" if head[1::2].count(0) * 2 > zeros else "utf-16-be"
            if _is(UTF_8, path):
                return UTF_8
            sample = _high_lines(path)
    except DAMAGED as error:
        raise damaged(path, error) from None
    if len(_HIGH.findall(sample)) < _ENOUGH:
        return UTF_8
    text = sample.decode(UTF_8, errors="replace")
    broken = text.count("\ufffd")
    if sum(not sign.isascii() for sign in text) - broken >= _MOSTLY * broken:
        return UTF_8
    return _most_probable(sample, path)


def _is(encoding: str, path: Path) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with open_raw(path) as file:
            for block in iter(lambda: file.read(_BLOCK), b""):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _high_lines(path: Path) -> bytes:
    found: list[bytes] = []
    size = 0
    with open_raw(path) as file:
        while size < _SAMPLE and (line := file.readline(_SAMPLE)):
            if not line.isascii():
                found.append(line)
                size += len(line)
    return b"".join(found)


def _most_probable(sample: bytes, path: Path) -> str:
    scores = {name: _score(sample, name) for name in _USUAL}
    for name in sorted(scores, key=lambda name: -scores[name]):
        if scores[name] >= _SURE and _is(name, path):
            return name
    from charset_normalizer import from_bytes

    for match in from_bytes(sample, cp_isolation=list(_USUAL)):
        if _is(match.encoding, path):
            return str(match.encoding)
    return UTF_8


def _score(sample: bytes, encoding: str) -> float:
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return 0.0
    beyond = [sign for sign in text if not sign.isascii()]
    if (len(beyond) > _DENSE * sum(map(str.isalpha, text))) == (encoding in _LATIN):
        return 0.0
    usual, enough = _USUAL[encoding]
    return min(1.0, len(re.findall(usual, "".join(beyond))) / max(1, len(beyond)) / enough)
