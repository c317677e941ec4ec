"""The simpler method that BERT has to beat: counting words, or characters where no spaces part the words."""

from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from sentiment.core.scripts import share_without_spaces

FOLDS = 5
MOST_ROWS = 25_000  # that are judged out of sample: a minute or two on two cores
_SEED = 0
_MOST_WEIGHTS = 2_000_000  # over all classes: the solver keeps some 25 copies of them, 400 MB
_FEWEST_FEATURES = 20_000

WORDS, CHARACTERS, BOTH = "words", "characters", "words and characters"  # what is counted; errors and reports name it so
_MOSTLY = 0.5  # share of the texts without spaces from which words are not counted at all
_SOME = 0.05
_MANY_EMPTY = 0.25  # share of the texts of which no word occurs in another one
_LOOKED_AT = 2_000  # texts: half a second


class NoReferenceError(Exception):
    """The simpler method cannot be fitted to this data; the message says why, in half a sentence."""


def what_to_count(texts: Sequence[str]) -> str:
    """Decide from the training split what the simpler method counts.

    Parameters
    ----------
    texts : sequence of str
        The training split.

    Returns
    -------
    str
        `CHARACTERS` where most texts are in a script without spaces between words, `BOTH` where some are or where
        words say nothing of a quarter of the texts, else `WORDS`.
    """
    unspaced = share_without_spaces(texts)
    if unspaced >= _MOSTLY:
        return CHARACTERS
    empty = _share_without_known_words(texts[:: -(-len(texts) // _LOOKED_AT)])
    if empty == 1.0:
        return CHARACTERS if unspaced else WORDS
    return BOTH if unspaced >= _SOME or empty >= _MANY_EMPTY else WORDS


def _share_without_known_words(texts: Sequence[str]) -> float:
    try:
        counts = CountVectorizer(min_df=_fewest_texts(texts), binary=True).fit_transform(texts)
    except ValueError:  # no vocabulary
        return 1.0
    return float((counts.getnnz(axis=1) == 0).mean())


def _fewest_texts(texts: Sequence[str]) -> int:
    return 2 if len(texts) >= 100 else 1


def fit_tfidf(texts: Sequence[str], labels: npt.NDArray[np.int64], counted: str = WORDS) -> Pipeline:
    """Fit TF-IDF over words and pairs of words, or over one to three characters, with a logistic regression.

    Parameters
    ----------
    texts : sequence of str, length n
        The training split.
    labels : ndarray of int, shape (n,)
        Class indices.
    counted : str
        From `what_to_count`.

    Returns
    -------
    sklearn.pipeline.Pipeline
        ``predict`` and ``predict_proba`` take a list of texts.

    Raises
    ------
    NoReferenceError
        Where the texts hold nothing to count.

    References
    ----------
    Wang and Manning (2012), Baselines and Bigrams: Simple, Good Sentiment and Topic Classification.
    """
    # Pairs that stand in one text only are most of the vocabulary and hardly any of the evidence; of many classes, the
    # most frequent words and pairs alone are counted (a hundred classes of 25,000 reviews would take 14 GB).
    fewest_texts = _fewest_texts(texts)
    vectorizer = _vectorizer(counted, fewest_texts, max(_FEWEST_FEATURES, _MOST_WEIGHTS // len(np.unique(labels))))
    try:
        counts = vectorizer.fit_transform(texts)
    except ValueError as error:  # scikit-learn has no class of its own for it
        if "vocabulary" not in str(error) and "no terms remain" not in str(error):
            raise
        where = "in two of the training texts" if fewest_texts > 1 else "in the training texts"
        unit = "character" if counted == CHARACTERS else "word of two or more letters or digits"
        raise NoReferenceError(f"no {unit} occurs {where}") from None
    return make_pipeline(vectorizer, LogisticRegression(C=10.0, max_iter=1000).fit(counts, labels))


def _vectorizer(counted: str, fewest_texts: int, most: int) -> TfidfVectorizer | FeatureUnion:
    if counted == BOTH:
        return FeatureUnion([(part, _vectorizer(part, fewest_texts, most // 2)) for part in (WORDS, CHARACTERS)])
    runs = {"ngram_range": (1, 2)} if counted == WORDS else {"ngram_range": (1, 3), "analyzer": "char"}
    return TfidfVectorizer(min_df=fewest_texts, max_features=most, sublinear_tf=True, **runs)


def out_of_sample_probabilities(
    texts: Sequence[str],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64] | None,
    classes: int,
    progress: Callable[[int], None] | None = None,
    counted: str = WORDS,
) -> npt.NDArray[np.float64]:
    """Let the simpler method judge each row without having seen it, nor another one of its group.

    Parameters
    ----------
    texts : sequence of str, length n
        The training split.
    labels : ndarray of int, shape (n,)
        Class indices.
    groups : ndarray of int, shape (n,), or None
        Rows of one group fall into one fold.
    classes : int
        Number of classes.
    progress : callable, optional
        Called with the number of folds done, of `FOLDS`.
    counted : str
        From `what_to_count`.

    Returns
    -------
    ndarray of float, shape (n, classes)
        nan for the rows of a class that has too few rows, or groups, to stand in every fold, and for all
        but a random `MOST_ROWS` of a larger split; and for those of a fold where the other folds hold nothing to count.
    """
    probabilities = np.full((len(labels), classes), np.nan)
    units = [np.unique(groups[labels == label]) if groups is not None else np.flatnonzero(labels == label) for label in range(classes)]
    rows = np.flatnonzero(np.isin(labels, [label for label, found in enumerate(units) if len(found) >= FOLDS]))
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(_SEED).choice(rows, MOST_ROWS, replace=False))
    if len(np.unique(labels[rows])) < 2:
        return probabilities
    splitter = (StratifiedKFold if groups is None else StratifiedGroupKFold)(FOLDS, shuffle=True, random_state=_SEED)
    parts = splitter.split(rows, labels[rows], groups[rows] if groups is not None else None)
    for number, (learned, judged) in enumerate(parts, 1):
        with suppress(NoReferenceError):
            model = fit_tfidf([texts[row] for row in rows[learned]], labels[rows[learned]], counted)
            probabilities[rows[judged]] = 0.0
            probabilities[np.ix_(rows[judged], model.classes_)] = model.predict_proba([texts[row] for row in rows[judged]])
        if progress:
            progress(number)
    return probabilities
