"""Parity plots: prediction over reference, as points where they are few and as density where they are many."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

FEW = 3000
DENSITY = LinearSegmentedColormap.from_list("density", ["#a9c9e6", "#3b82c4", "#7a5fa8", "#e0843a"])


def parity(axes: Axes, pairs: NDArray, *, quantity: str, unit: str, factor: float = 1.0) -> None:
    """Draw pairs (n, 2) of reference and prediction, times `factor`, with the line on which both are equal."""
    shown = factor * pairs[np.isfinite(pairs).all(axis=1)]
    low, high = (shown.min(), shown.max()) if len(shown) else (0.0, 1.0)
    margin = 0.04 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    axes.axline((low, low), slope=1, color="#8a94a3", linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    if len(shown) > FEW:
        axes.hexbin(
            shown[:, 0],
            shown[:, 1],
            gridsize=60,
            extent=(*limits, *limits),
            bins="log",
            mincnt=1,
            cmap=DENSITY,
            linewidths=0.1,
            rasterized=True,
        )
    else:
        size = float(np.clip(4000 / max(len(shown), 1), 5, 26))
        axes.scatter(shown[:, 0], shown[:, 1], s=size, color="#3b82c4", alpha=0.65, linewidths=0, rasterized=True)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.set_title(quantity, fontsize="medium")
    axes.set_xlabel(f"reference, {unit}")
    axes.set_ylabel(f"predicted, {unit}")
