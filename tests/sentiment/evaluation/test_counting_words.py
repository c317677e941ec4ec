"""What the simpler method counts, decided from the data, and what it reaches where no spaces part the words."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sentiment.evaluation.counting_words import BOTH, CHARACTERS, WORDS, fit_tfidf, what_to_count
from tests.sentiment.evaluation.test_outputs import result

FIRST = {"han": "\u4e00", "thai": "\u0e01"}


def reviews(script: str, rows: int) -> tuple[list[str], np.ndarray]:
    """Made-up reviews without spaces: one pair of characters in them tells the class, most of the time."""
    generator = np.random.default_rng(5)
    labels = np.arange(rows) % 2
    first = ord(FIRST[script])
    verdicts = [[chr(first + 2 * n) + chr(first + 2 * n + 1) for n in range(8 * label, 8 * label + 8)] for label in (0, 1)]
    texts = []
    for label in labels:
        signs = [chr(first + int(n)) for n in generator.integers(40, size=int(generator.integers(15, 40)))]
        shown = label if generator.random() < 0.9 else 1 - label
        signs.insert(int(generator.integers(len(signs))), str(generator.choice(verdicts[shown])))
        texts.append("".join(signs))
    return texts, labels


@pytest.mark.parametrize("script", FIRST)
def test_without_spaces_it_reaches_what_counting_characters_reaches(script: str) -> None:
    texts, labels = reviews(script, 1200)
    train, test = slice(0, 900), slice(900, None)
    assert what_to_count(texts[train]) == CHARACTERS
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=2)
    plain = make_pipeline(vectorizer, LogisticRegression(C=10.0, max_iter=1000)).fit(texts[train], labels[train])
    expected = plain.score(texts[test], labels[test])
    ours = (fit_tfidf(texts[train], labels[train], CHARACTERS).predict(texts[test]) == labels[test]).mean()
    assert expected > 0.65 and abs(ours - expected) <= 0.02
    both = fit_tfidf([*texts[train], *["a word"] * 4], np.append(labels[train], [0, 1, 0, 1]), BOTH)
    assert (both.predict(texts[test]) == labels[test]).mean() > 0.65


@pytest.mark.parametrize(
    ("texts", "counted"),
    [
        (["a fine film", "a film to forget", "飛ぶ"] * 50, BOTH),
        (["a fine film", "a film to forget"] * 50, WORDS),
        (["영화가 정말 좋았어요", "фильм хороший", "الفيلم رائع جدا"] * 50, WORDS),
        (["とても良い映画でした。", "映画はつまらなかった", "good"] * 50, CHARACTERS),
        ([f"unique{number}" for number in range(200)], WORDS),  # nothing to count, in no script that would help
        ([f"unique{number} film" if number % 3 else f"unique{number}" for number in range(300)], BOTH),
        (["😀", "a", ""] * 50, WORDS),
        (["好", "a", ""] * 50, CHARACTERS),
    ],
)
def test_what_is_counted(texts: list[str], counted: str) -> None:
    assert what_to_count(texts) == counted


def test_the_report_names_what_was_counted() -> None:
    from sentiment.evaluation.report.page import render_page

    page = render_page(result(counted="characters"))
    assert "Counting characters gets" in page and "counting words" not in page.lower()
