"""Answers as a table on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sentiment.terminal.printable import printable
from sentiment.use.answers import Answer
from sentiment.use.text_rows import TextRow

_SHOWN = 200  # characters of a text
_TEXT_AT_LEAST = 20
_ID_WIDTH = 24
_CLASSES_SHOWN = 4
_COLOURS = ("red", "green", "blue", "magenta", "cyan", "yellow")


def show_answers(rows: Sequence[TextRow], answers: Sequence[Answer], class_names: Sequence[str], console: Console | None = None) -> None:
    """Print a table: label, probability of each class (of many the most probable ones), whether the text was cut, and its beginning."""
    console = console or Console()
    lines: list[list[Text]] = []
    for row, answer in zip(rows, answers, strict=True):
        cells = [Text(printable(row.id))] if len(rows) > 1 else []
        cells += [_label(answer, class_names), _probabilities(answer, class_names)]
        lines.append([*cells, Text(("[cut] " if answer.cut else "") + printable(row.text[:_SHOWN]))])
    table = Table(box=None, pad_edge=False, header_style="bold")
    if len(rows) > 1:
        table.add_column("id", overflow="fold", max_width=_ID_WIDTH)
    table.add_column("label", overflow="fold")
    table.add_column("probabilities", overflow="fold")
    table.add_column("text", overflow="ellipsis", no_wrap=True, width=_text_width(lines, console.width))
    for cells in lines:
        table.add_row(*cells)
    console.print(table)


def _text_width(lines: Sequence[Sequence[Text]], width: int) -> int:
    """Return the columns that the others leave to the text, so that it is cut before they are folded."""
    *others, texts = [max((cell.cell_len for cell in column), default=0) for column in zip(*lines, strict=True)]
    if len(others) > 2:
        others[0] = min(others[0], _ID_WIDTH)
    taken = sum(max(own, len(heading)) + 2 for own, heading in zip(others[::-1], ("probabilities", "label", "id"), strict=False))
    return max(4, min(texts, max(_TEXT_AT_LEAST, width - taken - 2)))


def _label(answer: Answer, class_names: Sequence[str]) -> Text:
    if answer.label is None:
        return Text("no guess" if answer.probabilities is None else "–", style="dim")
    index = list(class_names).index(answer.label)
    return Text(printable(answer.label), style=f"bold {_COLOURS[index % len(_COLOURS)]}")


def _probabilities(answer: Answer, class_names: Sequence[str]) -> Text:
    if answer.probabilities is None:
        return Text("")
    pairs = list(zip(class_names, answer.probabilities, strict=True))
    if len(pairs) > _CLASSES_SHOWN:
        pairs = sorted(pairs, key=lambda pair: -pair[1])[:_CLASSES_SHOWN]
    shown = "  ".join(f"{printable(name)} {probability:.3f}" for name, probability in pairs)
    return Text(shown + ("  …" if len(class_names) > len(pairs) else ""))
