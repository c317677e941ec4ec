"""The rows that were dropped, by example: a few for each reason, with the row that each gave way to."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sentiment.core.files import write_json, write_text
from sentiment.data.dealing.comparison_keys import Keys
from sentiment.data.dealing.leakage import Reason, Reasons
from sentiment.data.dealing.precedence import Place
from sentiment.data.reading.spill_file import RowStore

JSON = "dropped.json"
MARKDOWN = "dropped.md"
EXAMPLES = 5  # for each reason

_BEGINNING = 160  # characters of a text
_MARKDOWN_SIGNS = re.compile(r"[\\`*_\[\]<>|~&$]")

_EXPLAINED = {
    Reason.UNLABELLED: "no label",
    Reason.LABEL_MAPPED_TO_NOTHING: "prepare.label_map gives the label no class",
    Reason.CLASS_DROPPED: "a class of prepare.drop_classes",
    Reason.EMPTY: "nothing is left of the text",
    Reason.CONFLICTING_LABEL: "the same text with another label, which is not outvoted (prepare.conflicts)",
    Reason.EXACT_DUPLICATE: "the very same text, earlier in the split",
    Reason.NORMALISED_DUPLICATE: "the same words, earlier in the split (other case, spaces or punctuation)",
    Reason.NEAR_DUPLICATE: "almost the same words, earlier or in a split that takes precedence",
    Reason.TEXT_IN_TEST: "the same words stand in the test split",
    Reason.GROUP_IN_TEST: "a row of the same group stands in the test split",
    Reason.TEXT_IN_VALIDATION: "the same words stand in the validation split",
    Reason.GROUP_IN_VALIDATION: "a row of the same group stands in the validation split",
}
_BY_THEMSELVES = (Reason.UNLABELLED, Reason.LABEL_MAPPED_TO_NOTHING, Reason.CLASS_DROPPED, Reason.EMPTY)
assert set(_EXPLAINED) == set(Reason) - {Reason.KEPT}


def counts(reasons: Reasons) -> dict[Reason, int]:
    """Count the rows that each reason dropped."""
    found = Counter(reasons.tolist())
    return {reason: found[reason] for reason in _EXPLAINED}


def summary(reasons: Reasons) -> str:
    """Say in a few words what was dropped."""
    parts = [f"{count} {_words(reason)}" for reason, count in counts(reasons).items() if count]
    return "dropped: " + ", ".join(parts) if parts else "nothing dropped"


@dataclass(frozen=True)
class Dropped:
    """One example.

    Attributes
    ----------
    id, split, text : str
        The row that was dropped, and how its text begins.
    other_id, other_split : str or None
        The row it gave way to, or whose label contradicts its own.
    """

    id: str
    split: str
    text: str
    other_id: str | None
    other_split: str | None


def find_examples(
    reasons: Mapping[str, Reasons], keys: Mapping[str, Keys], near: Mapping[Place, Place], stores: Mapping[str, RowStore]
) -> dict[Reason, list[Dropped]]:
    """Choose the first five rows that each reason dropped, and find the rows they gave way to.

    Parameters
    ----------
    reasons, keys, stores : mapping of str to Reasons, Keys, RowStore
        Of each split.
    near : mapping of (split, row) to (split, row)
        From each near-duplicate to the row it gave way to.

    Returns
    -------
    dict of Reason to list of Dropped
        In the order of the splits' names, then of their rows.
    """
    chosen: dict[Reason, list[Dropped]] = {}
    for reason in _EXPLAINED:
        places = [(split, int(row)) for split in reasons for row in np.flatnonzero(reasons[split] == reason)[:EXAMPLES]][:EXAMPLES]
        chosen[reason] = []
        for split, row in places:
            other = _other(reason, (split, row), reasons, keys, near)
            name, text = _row(stores, (split, row))
            chosen[reason].append(Dropped(name, split, text[:_BEGINNING], _row(stores, other)[0] if other else None, other[0] if other else None))
    return chosen


def write_examples(folder: Path, rows: Mapping[Reason, int], examples: Mapping[Reason, list[Dropped]]) -> None:
    """Write the examples as dropped.json and, to be read, dropped.md.

    Parameters
    ----------
    folder : Path
        Where to.
    rows : mapping of Reason to int
        How many rows each reason dropped.
    examples : mapping of Reason to list of Dropped
        From `find_examples`.
    """
    write_json(folder / JSON, {reason.name.lower(): {"rows": rows[reason], "examples": _plain(reason, examples[reason])} for reason in examples})
    write_text(folder / MARKDOWN, _markdown(rows, examples))


def _other(reason: Reason, place: Place, reasons: Mapping[str, Reasons], keys: Mapping[str, Keys], near: Mapping[Place, Place]) -> Place | None:
    split, row = place
    own = keys[split]
    if reason == Reason.NEAR_DUPLICATE:
        return near[place]
    if reason == Reason.CONFLICTING_LABEL:
        return split, int(np.flatnonzero((own.finer == own.finer[row]) & (own.labels != own.labels[row]) & (own.labels >= 0) & ~own.empty)[0])
    if reason in (Reason.EXACT_DUPLICATE, Reason.NORMALISED_DUPLICATE):
        digests = own.exact if reason == Reason.EXACT_DUPLICATE else own.normalised
        alike = (digests == digests[row]) & (own.labels == own.labels[row]) & ~np.isin(reasons[split], (Reason.EMPTY, Reason.CONFLICTING_LABEL))
        return split, int(np.flatnonzero(alike)[0])
    for name in ("test", "validation"):
        if reason.name == f"TEXT_IN_{name.upper()}":
            return name, int(np.flatnonzero((keys[name].normalised == own.normalised[row]) & ~keys[name].empty)[0])
        if reason.name == f"GROUP_IN_{name.upper()}":
            groups, theirs = own.groups, keys[name].groups
            assert groups is not None and theirs is not None
            return name, int(np.flatnonzero(theirs == groups[row])[0])
    return None


def _row(stores: Mapping[str, RowStore], place: Place) -> tuple[str, str]:
    table = stores[place[0]].take(np.array([place[1]]))
    return table.column("id")[0].as_py(), table.column("text")[0].as_py()


def _plain(reason: Reason, examples: list[Dropped]) -> list[dict[str, Any]]:
    link = "conflicts_with" if reason == Reason.CONFLICTING_LABEL else "gave_way_to"
    return [
        {
            "id": example.id,
            "split": example.split,
            "text": example.text,
            **({link: {"id": example.other_id, "split": example.other_split}} if example.other_id is not None else {}),
        }
        for example in examples
    ]


def _markdown(rows: Mapping[Reason, int], examples: Mapping[Reason, list[Dropped]]) -> str:
    lines = ["# Rows that were dropped", ""]
    if not any(rows.values()):
        return "\n".join([*lines, "None.", ""])
    lines.extend(["| reason | rows | what it means |", "| --- | --- | --- |"])
    lines.extend(f"| {_words(reason)} | {rows[reason]:,} | {_EXPLAINED[reason]} |" for reason in examples if rows[reason])
    for reason, found in examples.items():
        if not found:
            continue
        first = f"the first {len(found)} of {rows[reason]:,}" if rows[reason] > len(found) else f"{len(found)}"
        link = "conflicts with" if reason == Reason.CONFLICTING_LABEL else "gave way to"
        linked = reason not in _BY_THEMSELVES
        lines.extend(["", f"## {_words(reason).capitalize()}: {first}", ""])
        lines.extend([f"| id | split | text begins |{f' {link} |' if linked else ''}", f"| --- | --- | --- |{' --- |' if linked else ''}"])
        for example in found:
            other = f" {escape(example.other_id or '')} ({example.other_split}) |" if linked else ""
            lines.append(f"| {escape(example.id)} | {example.split} | {escape(example.text)} |{other}")
    return "\n".join([*lines, ""])


def escape(text: str) -> str:
    """Write any text so that Markdown shows it as it is, in one line, also in a cell of a table."""
    printable = "".join(sign if sign.isprintable() else " " for sign in text)
    return _MARKDOWN_SIGNS.sub(lambda match: "\\" + match.group(), " ".join(printable.split()))


def _words(reason: Reason) -> str:
    return reason.name.lower().replace("_", " ")
