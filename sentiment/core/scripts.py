"""How a text is written: scripts without spaces between words (Chinese, Japanese, Thai and others) by their Unicode blocks."""

import re
from collections.abc import Sequence

# Han, Hiragana, Katakana, Bopomofo; Thai, Lao, Tibetan, Myanmar, Khmer, Tai scripts, Javanese, Yi. Source: Unicode Standard
# Annex 14, line breaking classes ID, CJ and SA. Korean puts spaces between words.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\ua980-\ua9df\ua9e0-\ua9ff\uaa60-\uaadf"
    "\u3005-\u3007\u3041-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uf900-\ufaff\uff66-\uff9f"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
_HALF = 0.5


def without_spaces(text: str) -> bool:
    """Say whether at least half of a text's letters belong to scripts that put no spaces between words."""
    if text.isascii():
        return False
    unspaced = len(_UNSPACED.findall(text))
    return unspaced > 0 and unspaced >= _HALF * (unspaced + sum(sign.isalnum() for sign in _UNSPACED.sub("", text)))


def share_without_spaces(texts: Sequence[str]) -> float:
    """Return the share of texts, in [0, 1], that are written without spaces between words."""
    return sum(map(without_spaces, texts)) / len(texts) if texts else 0.0
