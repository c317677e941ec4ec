"""An explanation on a terminal, readable without colours, and as a page of its own."""

from html import escape

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sentiment.evaluation.explanation import Explanation, WordWeight
from sentiment.terminal.printable import printable

_WORDS_SHOWN = 10
MARKED = 0.15  # share of the strongest word's weight from which a word is marked in the text


def show_explanation(explanation: Explanation, console: Console | None = None) -> None:
    """Print the class, the text with the strongest words marked (``+word+`` for the class, ``-word-`` against it), and a table of them."""
    console = console or Console()
    console.print(Text.assemble((printable(explanation.label), "bold"), f"  {explanation.probability:.3f}"))
    shown = Text()
    for part, word in explanation.parts():
        if word is None or _strength(explanation, word) < MARKED:
            shown.append(_on_one_line(part))
        else:
            sign = "+" if word.weight > 0 else "-"
            shown.append(f"{sign}{printable(part)}{sign}", style="bold green" if word.weight > 0 else "bold red")
    console.print(shown)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("word", overflow="fold")
    table.add_column(f"for {printable(explanation.label)}", justify="right")
    for word in explanation.strongest[:_WORDS_SHOWN]:
        table.add_row(Text(printable(explanation.text[word.start : word.end])), Text(f"{word.weight:+.3f}", "green" if word.weight > 0 else "red"))
    console.print(table)
    console.print(Text(_accuracy(explanation), style="dim"))


def explanation_page(explanation: Explanation) -> str:
    """Return a self-contained page: strong words on a ground as deep as their weight, blue for the class and orange with a line below against it."""
    spans = []
    for part, word in explanation.parts():
        if word is None or _strength(explanation, word) < MARKED:
            spans.append(escape(part))
        else:
            kind = "for" if word.weight > 0 else "against"
            share = round(100 * _strength(explanation, word))
            spans.append(f'<span class="{kind}" style="--share: {share}%" title="{word.weight:+.3f}">{escape(part)}</span>')
    strongest = explanation.strongest[:_WORDS_SHOWN]
    header = f"<tr><th>word</th><th>for {escape(explanation.label)}</th></tr>"
    rows = "".join(f"<tr><td>{escape(explanation.text[word.start : word.end])}</td><td>{word.weight:+.3f}</td></tr>" for word in strongest)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>Which words moved it</title>
<style>
:root {{ --paper: #ffffff; --ink: #22272e; --soft: #59636e; --line: #d9dde3; --for: #9fd0f7; --against: #ffc9a3; }}
@media screen and (prefers-color-scheme: dark) {{
  :root {{ --paper: #14181d; --ink: #e3e7eb; --soft: #a3adb8; --line: #37404a; --for: #14507f; --against: #7a3a10; }}
}}
body {{ margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere; }}
body {{ font: 17px/1.8 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }}
main {{ max-width: 46rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }}
h1 {{ font-size: 1.5rem; margin: 0 0 .5rem; }}
table {{ border-collapse: collapse; }}
.text {{ white-space: pre-wrap; }}
.for, .against {{ border-radius: .2rem; padding: .1rem 0; print-color-adjust: exact; -webkit-print-color-adjust: exact; }}
.for {{ background: color-mix(in srgb, var(--for) var(--share), transparent); }}
.against {{ background: color-mix(in srgb, var(--against) var(--share), transparent); text-decoration: underline dotted; }}
table {{ font-size: .95rem; line-height: 1.5; }}
th, td {{ padding: .15rem 0; text-align: left; border-top: 1px solid var(--line); }}
th {{ border-top: 0; font-weight: 600; }}
th:last-child, td:last-child {{ text-align: right; padding-left: 2rem; font-variant-numeric: tabular-nums; }}
.soft {{ color: var(--soft); font-size: .9rem; }}
</style>
</head>
<body>
<main>
<h1>{escape(explanation.label)} {explanation.probability:.3f}</h1>
<p class="soft">Blue: speaks for {escape(explanation.label)}. Orange, underlined: against it.</p>
<p class="text">{"".join(spans)}</p>
<table>{header}{rows}</table>
<p class="soft">{escape(_accuracy(explanation))}</p>
</main>
</body>
</html>
"""


def _strength(explanation: Explanation, word: WordWeight) -> float:
    largest = max((abs(other.weight) for other in explanation.words), default=0.0)
    return abs(word.weight) / largest if largest else 0.0


def _on_one_line(part: str) -> str:
    inner = printable(part)
    return (" " if part[:1].isspace() else "") + inner + (" " if inner and part[-1:].isspace() else "")


def _accuracy(explanation: Explanation) -> str:
    return (
        f"A weight is what the word adds to the log odds of {printable(explanation.label)}, in nats. Their sum is the difference from "
        f"an empty text, {explanation.change:+.3f}, with an error of {explanation.completeness_error:.4f} from the integration."
    )
