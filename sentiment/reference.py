"""The simpler method that BERT has to beat: counting words."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

_MOST_WEIGHTS = 2_000_000  # over all classes: the solver keeps some 25 copies of them, 400 MB
_FEWEST_FEATURES = 20_000


def fit_tfidf(texts: Sequence[str], labels: npt.NDArray[np.int64]) -> Pipeline:
    """Fit TF-IDF over words and pairs of words with a logistic regression.

    Parameters
    ----------
    texts : sequence of str, length n
        The training split.
    labels : ndarray of int, shape (n,)
        Class indices.

    Returns
    -------
    sklearn.pipeline.Pipeline
        ``predict`` and ``predict_proba`` take a list of texts.

    References
    ----------
    Wang and Manning (2012), Baselines and Bigrams: Simple, Good Sentiment and Topic Classification.
    """
    # Pairs that stand in one text only are most of the vocabulary and hardly any of the evidence; of many classes, the
    # most frequent words and pairs alone are counted (a hundred classes of 25,000 reviews would take 14 GB).
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2),
        min_df=2 if len(texts) >= 100 else 1,
        max_features=max(_FEWEST_FEATURES, _MOST_WEIGHTS // len(np.unique(labels))),
        sublinear_tf=True,
    )
    return make_pipeline(vectorizer, LogisticRegression(C=10.0, max_iter=1000)).fit(texts, labels)


def accuracy(model: Pipeline, texts: Sequence[str], labels: npt.NDArray[np.int64]) -> float:
    """Share of texts that a fitted reference classifies correctly."""
    return float((model.predict(list(texts)) == labels).mean())
