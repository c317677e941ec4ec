"""From a model's logits to answers: the label by thresholds, no guess where there is nothing to go by."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sentiment.model.trained.judgement import log_softmax
from sentiment.terminal.errors import UserError
from sentiment.terminal.printable import listed, printable


@dataclass(frozen=True)
class Answer:
    """What a classifier says of one text.

    Attributes
    ----------
    label : str or None
        The class; None where there is no guess.
    probabilities : tuple of float, or None
        Of each class in the order of their indices; None for an empty text, or where the model gave no finite number.
    cut : bool
        The model read only a part of the text.
    """

    label: str | None
    probabilities: tuple[float, ...] | None
    cut: bool


@dataclass(frozen=True)
class LabelRule:
    """How probabilities become a label.

    Attributes
    ----------
    class_names : list of str
        In the order of their indices.
    thresholds : dict of str to float
        A class with a threshold is the label where its probability reaches it (of several the most probable one); otherwise the
        most probable of the classes without one is. Without thresholds that is the most probable class.
    abstain_below : float
        There is no label where its probability is below this.
    """

    class_names: list[str]
    thresholds: dict[str, float] = field(default_factory=dict)
    abstain_below: float = 0.0

    def __post_init__(self) -> None:
        for name in self.thresholds:
            if name not in self.class_names:
                raise UserError(f"--threshold {name}: the model has no such class; it knows {listed(self.class_names)}")

    def label(self, probabilities: Sequence[float]) -> str | None:
        """Return the label, None where no class qualifies."""
        by_name = dict(zip(self.class_names, probabilities, strict=True))
        reached = [name for name, least in self.thresholds.items() if by_name[name] >= least]
        chosen = reached or [name for name in self.class_names if name not in self.thresholds]
        best = max(chosen, key=lambda name: by_name[name], default=None)
        return best if best is not None and by_name[best] >= self.abstain_below else None


@dataclass
class Tally:
    """How many texts got which answer; `bad` rows were passed over."""

    labels: dict[str, int] = field(default_factory=dict)
    abstained: int = 0
    empty: int = 0
    without_number: int = 0
    cut: int = 0
    bad: int = 0

    def count(self, answer: Answer, empty: bool) -> None:
        """Count one answer."""
        self.cut += answer.cut
        if empty:
            self.empty += 1
        elif answer.probabilities is None:
            self.without_number += 1
        elif answer.label is None:
            self.abstained += 1
        else:
            self.labels[answer.label] = self.labels.get(answer.label, 0) + 1

    def add(self, other: "Tally") -> None:
        """Add another tally to this one."""
        for label, rows in other.labels.items():
            self.labels[label] = self.labels.get(label, 0) + rows
        for name in ("abstained", "empty", "without_number", "cut", "bad"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def clear(self) -> None:
        """Set every count to 0."""
        self.labels = {}
        self.abstained = self.empty = self.without_number = self.cut = self.bad = 0

    def describe(self) -> str:
        """Say it in one line."""
        parts = [f"{rows:,} {printable(label)}" for label, rows in sorted(self.labels.items())]
        others = ((self.abstained, "without a label"), (self.empty, "empty"), (self.without_number, "without a finite answer"))
        parts += [f"{rows:,} {what}" for rows, what in others if rows]
        notes = [f"{rows:,} {what}" for rows, what in ((self.cut, "were cut"), (self.bad, "bad rows passed over")) if rows]
        return (", ".join(parts) or "no texts") + (f" ({', '.join(notes)})" if notes else "")


def make_answers(logits: npt.NDArray[np.float64], cut: npt.NDArray[np.bool_], rule: LabelRule, temperature: float) -> list[Answer]:
    """Turn logits, shape (n, classes), into answers."""
    probabilities = np.exp(log_softmax(logits, temperature))
    finite = np.asarray(np.isfinite(logits).all(axis=1))
    answers = []
    for row in range(len(logits)):
        known = tuple(map(float, probabilities[row])) if finite[row] else None
        answers.append(Answer(rule.label(known) if known else None, known, bool(cut[row])))
    return answers
