"""The test report as one page to send on: report.md with its figures inside, which needs no network and no other file."""

import base64
import itertools
import re
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

_PICTURE = re.compile(r'<img src="([\w-]+\.png)" alt="([^"<>]*)" width="\d+%">')
_ALONE = re.compile(r"^<img [^>\n]*>$", re.MULTILINE)  # Markdown makes no paragraph of a picture alone on its line
_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
_STYLE = """
:root { --paper: #ffffff; --ink: #22272e; --soft: #59636e; --line: #d9dde3; --panel: #f5f7f9; --mark: #0061a0; --frame: #d9dde3; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #14181d; --ink: #e3e7eb; --soft: #a3adb8; --line: #37404a; --panel: #1d232a; --mark: #6cb8f0; --frame: #d3cdc5; }
  img { filter: invert(.92) hue-rotate(180deg); } /* figures are drawn on white; their frame is inverted with them */
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere; }
body { font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .7rem; padding-top: .9rem; border-top: 1px solid var(--line); }
p { margin: .5rem 0 .9rem; max-width: 52rem; }
p.figures { max-width: none; display: grid; gap: .8rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
img { display: block; width: 100%; height: auto; background: #ffffff; border: 1px solid var(--frame); border-radius: .5rem; padding: .4rem; }
p.figures img:only-child:not([alt="confusion"]) { max-width: 32.5rem; }
.scroll { overflow-x: auto; margin: .8rem 0; border: 1px solid var(--line); border-radius: .5rem; }
.scroll:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .45rem .65rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
td:last-child { min-width: 10rem; overflow-wrap: anywhere; }
thead th { border-top: 0; background: var(--panel); font-weight: 600; }
code { font: .9em ui-monospace, "DejaVu Sans Mono", monospace; background: var(--panel); border-radius: .25rem; padding: .05rem .25rem; }
@media (max-width: 40rem) { th, td { padding: .45rem .4rem; } td:last-child { min-width: 6rem; } }
@media print, (max-width: 40rem) {
  table.texts, .texts tbody, .texts tr { display: block; }
  .texts thead { display: none; }
  .texts tr { border-top: 1px solid var(--line); padding: .45rem .65rem; }
  .texts tr:first-child { border-top: 0; }
  .texts td { display: inline-block; border: 0; padding: 0 .9rem 0 0; }
  .texts td:last-child { display: block; padding: .25rem 0 0; }
  .texts td:not(:last-child)::before { content: attr(data-label) " "; color: var(--soft); }
}
@media print {
  :root { color-scheme: light; }
  main { max-width: none; padding: 0; }
  .scroll { overflow: visible; border: 0; }
  p.figures { grid-template-columns: 1fr 1fr; }
  h2 { break-after: avoid; }
  img, tr { break-inside: avoid; }
}
"""


def html_page(markdown: str, folder: Path) -> str:
    """Turn a report into one page.

    Parameters
    ----------
    markdown : str
        The report; texts from outside are escaped in it already (`plain`, `code`).
    folder : Path
        Where its figures lie; one that is missing is left out.

    Returns
    -------
    str
        HTML of which a browser runs no script and loads nothing.
    """
    content = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    content = _PICTURE.sub(lambda match: _embedded(folder / match[1], match[2]), content)
    content = _ALONE.sub(lambda match: f"<p>{match[0]}</p>", content)
    content = re.sub(r"<p>(?=<img )", '<p class="figures">', content)
    content = _TABLE.sub(lambda match: f'<div class="scroll" tabindex="0">{_labelled(match[0])}</div>', content)
    title = markdown.partition("\n")[0].lstrip("# ")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
{content}</main>
</body>
</html>
"""


def _embedded(path: Path, description: str) -> str:
    if not path.is_file():
        return ""
    return f'<img src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}" alt="{description}">'


def _labelled(table: str) -> str:
    """Name the cells of a table that ends with texts: where it is narrow each row is a paragraph without a header above it."""
    names = re.findall(r"<th>(.*?)</th>", table)
    if names[-1] != "text":
        return table
    position = itertools.count()
    labelled = re.sub(r"<td>", lambda _: f'<td data-label="{escape(names[next(position) % len(names)])}">', table)
    return labelled.replace("<table>", '<table class="texts">', 1)
