"""Drawings as SVG that stands in a page: axes and text take the color of the page, light or dark."""

import hashlib
import html
import io
import itertools
import re
from collections.abc import Callable
from typing import Any

from matplotlib import rc_context
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

INK = "#010203"  # stands for the color of the page's text
BLUE, ORANGE, GREEN, RED = "#3b82c4", "#e0843a", "#3f9c6b", "#cc4b4b"
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.formatter.useoffset": True,
    "axes.formatter.limits": (-4, 5),
    "legend.frameon": False,
    "axes.axisbelow": True,
}
FEWEST_TICKS = 3
_numbers = itertools.count(1)


def svg(draw: Callable, label: str, size: tuple[float, float]) -> str:
    """Markup of what `draw(axes)` draws; `label` is read out where the picture cannot be seen."""
    with rc_context(SETTINGS):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log":
                _plain_numbers(axis)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, dpi=160)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(INK, "currentColor", text, flags=re.IGNORECASE)
    text = re.sub(r"font: ([^;\"]*?)'[^;\"]*", r"font: \1system-ui, sans-serif", text)
    own = f"drawing-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}-{next(_numbers)}-"
    text = re.sub(r'\bid="', f'id="{own}', text)
    text = re.sub(r"url\(#", f"url(#{own}", text).replace('href="#', f'href="#{own}')
    opening = f'<svg role="img" aria-label="{html.escape(label)}" '
    return opening + re.sub(r'^<svg |(?<=\s)(?:width|height)="[\d.]+pt"', "", text, count=3)


def _plain_numbers(axis: Axis) -> None:
    """A few numbers such as 20 and 50 on a logarithmic axis, of less than a decade too, instead of many powers."""
    lowest, highest = sorted(axis.get_view_interval())
    for locator in (LogLocator(numticks=7), LogLocator(subs=(1, 2, 5), numticks=7), MaxNLocator(4)):
        if sum(lowest <= tick <= highest for tick in locator.tick_values(lowest, highest)) >= FEWEST_TICKS:
            break
    axis.set_major_locator(locator)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
