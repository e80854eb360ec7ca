"""A self-contained HTML page from sections: text is escaped, figures are drawn in place, nothing is fetched.

A page is a list of sections; a section is a heading and blocks (paragraphs, tables, figures, folds). Any part of the
package can make sections and join them to a page. The one script that a browser will run on it is page.js: its hash
stands in the page's policy, so nothing that data bring along can run.
"""

import base64
import hashlib
import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cambrian.contracts.archive import write_in_place
from cambrian.report.drawing import svg

STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
SCRIPT = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")
FINGERPRINT = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
NO_REQUESTS = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{FINGERPRINT}'"


class Html(str):
    """Markup that is ready; every other text is escaped."""

    __slots__ = ()


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Html] = field(default_factory=list)


def escaped(text: object) -> Html:
    """Any text as markup that shows it."""
    return text if isinstance(text, Html) else Html(html.escape(str(text)))


def paragraph(text: object, kind: str = "") -> Html:
    """A paragraph; `kind` is a class of the style sheet such as `lead`."""
    return Html(f'<p class="{escaped(kind)}">{escaped(text)}</p>' if kind else f"<p>{escaped(text)}</p>")


def bullets(items: Iterable[object], kind: str = "") -> Html:
    """A list of sentences."""
    return Html(f'<ul class="{escaped(kind)}">' + "".join(f"<li>{escaped(i)}</li>" for i in items) + "</ul>")


def facts(rows: Iterable[tuple[object, object]]) -> Html:
    """A table of names and values, without a header."""
    return table((), rows, kind="facts")


def table(header: Sequence[object], rows: Iterable[Sequence[object]], *, kind: str = "figures") -> Html:
    """A table whose first column is words; it scrolls by itself where it is wider than the page."""
    cells_of_head = "".join(f'<th scope="col">{escaped(h)}</th>' for h in header)
    head = f"<thead><tr>{cells_of_head}</tr></thead>" if header else ""
    body = "".join(
        "<tr>"
        + f'<th scope="row">{escaped(first)}</th>'
        + "".join(f"<td>{escaped(cell)}</td>" for cell in cells)
        + "</tr>"
        for first, *cells in rows
    )
    return Html(
        f'<div class="wide" tabindex="0"><table class="{escaped(kind)}">{head}<tbody>{body}</tbody></table></div>'
    )


def figure(draw: Callable, caption: str, *, size: tuple[float, float] = (3.6, 3.1)) -> Html:
    """A drawing by matplotlib, `draw(axes)`, with its caption; `size` in inches."""
    picture = svg(draw, caption, size)
    return Html(f"<figure>{picture}<figcaption>{escaped(caption)}</figcaption></figure>")


def side_by_side(figures: Iterable[Html]) -> Html:
    """Figures in a row, below each other where the page is narrow."""
    return Html('<div class="row">' + "".join(figures) + "</div>")


def fold(summary: str, content: Html) -> Html:
    """Something shown on demand."""
    return Html(f"<details><summary>{escaped(summary)}</summary>{content}</details>")


def code(text: str) -> Html:
    """Text as it stands, in a fixed pitch."""
    return Html(f"<pre>{escaped(text)}</pre>")


def page(title: str, sections: Iterable[Section], *, subtitle: str = "") -> str:
    """The whole page."""
    parts = "".join(
        f"<section><h2>{escaped(s.title)}</h2>{''.join(escaped(b) for b in s.blocks)}</section>" for s in sections
    )
    under = f'<p class="subtitle">{escaped(subtitle)}</p>' if subtitle else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{NO_REQUESTS}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escaped(title)}</title><style>{STYLE}</style></head>"
        f"<body><main><header><h1>{escaped(title)}</h1>{under}</header>{parts}"
        "<footer>Written by Cambrian. This file is complete in itself and loads nothing from elsewhere.</footer>"
        f"</main><script>{SCRIPT}</script></body></html>\n"
    )


def write_page(path: Path, title: str, sections: Iterable[Section], *, subtitle: str = "") -> None:
    """Write a page whole or not at all; raises UserError where it cannot be written."""
    write_in_place(path, page(title, sections, subtitle=subtitle).encode())
