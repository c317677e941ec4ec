"""Which words moved the answer of `predict` for a text."""

from sentiment.evaluation.explanation import Explanation, explain_text
from sentiment.model.trained.reader import TextClassifier
from sentiment.terminal.errors import UserError
from sentiment.terminal.printable import listed
from sentiment.use.predict import Predictor


def explain(predictor: Predictor, text: str, label: str | None = None) -> Explanation:
    """Explain the class of a text.

    Parameters
    ----------
    predictor : Predictor
        The model.
    text : str
        As the source has it.
    label : str, optional
        The class to explain; the most probable one by default.

    Raises
    ------
    UserError
        Where the text is empty after cleaning, or the model has no such class.
    """
    cleaned = predictor.clean(text)
    if not cleaned:
        raise UserError("explain: there is nothing to read in this text: no guess, and nothing to explain")
    if label is not None and label not in predictor.class_names:
        raise UserError(f"label: the model has no such class; it knows {listed(predictor.class_names)}")
    assert isinstance(predictor.reader, TextClassifier), "explanations need gradients: the backend is torch"
    target = None if label is None else predictor.class_names.index(label)
    return explain_text(predictor.reader, cleaned, predictor.temperature, target)
