"""The report's last part: texts that are worth reading, because the classifier is wrong about them or their label may be."""

from collections.abc import Mapping, Sequence

from sentiment.evaluation.doubtful_labels import DoubtfulLabel, DoubtfulLabels
from sentiment.evaluation.mistakes import Mistake
from sentiment.evaluation.report.markdown import plain, table

_SHOWN = 20
_YES = "yes"


def texts_to_read(mistakes: Sequence[Mistake], doubtful: Mapping[str, DoubtfulLabels] | None, counted: str) -> list[str]:
    """Return the sections on mistakes and on labels that look wrong, as lines of Markdown.

    Parameters
    ----------
    mistakes : sequence of Mistake
        The most confident ones on the test split.
    doubtful : mapping of str to DoubtfulLabels, or None
        Of the training and the test split; None where they were not looked for.
    counted : str
        What the reference counts.
    """
    lines = ["## Test texts to read", ""]
    rows = _test_rows(mistakes, doubtful["test"].found[:_SHOWN] if doubtful else [])
    if not rows:
        lines.append("The classifier makes no mistake.")
    elif doubtful is None:
        lines += ["The most confident mistakes.", "", *table(["id", "true", "predicted", "probability", "text"], [row[:4] + row[6:] for row in rows])]
    else:
        lines += [
            f"The most confident mistakes, and the rows whose label looks wrong to the classifier: {_count(doubtful['test'])}. "
            f"{sum(row[4] == row[5] for row in rows)} of these {len(rows)} are both.",
            "",
            *table(["id", "true", "predicted", "probability", "confident mistake", "label in doubt", "text"], rows),
        ]
    lines += _words_behind(mistakes)
    return lines if doubtful is None else [*lines, *_labels_in_doubt(doubtful["train"], counted)]


def _test_rows(mistakes: Sequence[Mistake], doubtful: Sequence[DoubtfulLabel]) -> list[list[str]]:
    """Return a row for each text of either list, the most confident answer first; each list keeps its order where two are equal."""
    in_doubt = {one.id for one in doubtful}
    found = [(one.probability, one.id, one.label, one.predicted, True, one.id in in_doubt, one.text) for one in mistakes]
    known = {one.id for one in mistakes}
    found += [(one.suggested_probability, one.id, one.label, one.suggested, False, True, one.text) for one in doubtful if one.id not in known]
    return [
        [plain(name), plain(true), plain(predicted), f"{probability:.3f}", _YES if confident else "", _YES if doubt else "", _text(text)]
        for probability, name, true, predicted, confident, doubt, text in sorted(found, key=lambda row: -row[0])
    ]


def _words_behind(mistakes: Sequence[Mistake]) -> list[str]:
    found = [mistake for mistake in mistakes if mistake.moved_by]
    if not found:
        return []
    rows = [
        [plain(mistake.id), plain(mistake.predicted), ", ".join(f"{plain(moved.word)} {_signed(moved.weight)}" for moved in mistake.moved_by)]
        for mistake in found
    ]
    return [
        "",
        "The words that moved the classifier to its most confident mistakes, and by how much of the log odds, from integrated gradients "
        "(Sundararajan et al. 2017). `python -m sentiment explain` shows whole texts.",
        "",
        *table(["id", "predicted", "moved by"], rows),
    ]


def _labels_in_doubt(labels: DoubtfulLabels, counted: str) -> list[str]:
    shown = f", the {_SHOWN} most doubtful here" if len(labels.found) > _SHOWN else ""
    lines = [
        "",
        "## Labels that look wrong",
        "",
        "Candidates to read, not errors: confident learning (Northcutt et al. 2021, cleanlab) lists rows whose label the judge finds improbable. "
        "Hard and ironic texts are among them. Nothing was removed or changed; `label_issues.json` has all of them, those of the test split too.",
        "",
        f"**train** (judged by counting {counted}, fitted without the row's fold): {_count(labels, shown)}.",
        "",
    ]
    if labels.found:
        lines += table(["id", "label", "looks like", "p(label)", "p(looks like)", "text"], [_training_row(one) for one in labels.found[:_SHOWN]])
    return lines


def _count(labels: DoubtfulLabels, shown: str = "") -> str:
    missing = labels.rows - labels.judged
    reasons = "a class with too few rows or groups for five folds, more rows than are judged, or no finite answer"
    return f"{len(labels.found):,} of {labels.judged:,} rows{shown}" + (f". {missing:,} more could not be judged ({reasons})" if missing else "")


def _training_row(one: DoubtfulLabel) -> list[str]:
    probabilities = [f"{one.label_probability:.3f}", f"{one.suggested_probability:.3f}"]
    return [plain(one.id), plain(one.label), plain(one.suggested), *probabilities, _text(one.text)]


def _signed(weight: float) -> str:
    return f"{weight:+.2f}".replace("-", "−")


def _text(text: str | None) -> str:
    return "*not shown*" if text is None else plain(text, 300)
