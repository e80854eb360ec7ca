"""Draw the radial distribution function that in.melt has written: python melt.py [FRAMES].

FRAMES: structures of the liquid from elsewhere, such as the molten part of the training data, to be drawn beside it.
Writes melt.png, and says where the first peak lies and how many neighbors stand below it. Dotted: the peaks that X-rays
see at 1713 to 1793 K, 5.7 to 6.3 neighbors in the first shell (Y. Waseda et al., Jpn. J. Appl. Phys. 34, 4124, 1995).
"""

import sys

import numpy as np
from matplotlib.figure import Figure

from cambrian.data import read
from cambrian.validate.rdf import distributions, first_minimum

SHELL = 3.1  # Å, to where neighbors are counted
MEASURED = (2.45, 5.5)  # Å


def read_rdf(file):
    """Radii (Å), g(r) and the number of neighbors below r."""
    rows = np.loadtxt(file, skiprows=4)
    return rows[:, 1], rows[:, 2], rows[:, 3]


def figures(r, g, below):
    """First peak, the minimum behind it, and the neighbors below SHELL and below that minimum."""
    end = first_minimum(r, g)
    return r[g.argmax()], end, np.interp(SHELL, r, below), np.interp(end, r, below)


def draw(curves, file):
    """g(r) above, the number of neighbors below r under it; curves: a list of (name, r, g, neighbors below r)."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    above, under = figure.subplots(2, sharex=True, height_ratios=(2, 1))
    for (name, r, g, below), color, width in zip(curves, ("#3b82c4", "0.55"), (1.8, 3.0), strict=False):
        order = 2 if color.startswith("#") else 1
        above.plot(r, g, color=color, linewidth=width, label=name, zorder=order)
        under.plot(r, below, color=color, linewidth=width, zorder=order)
    above.axhline(1, color="0.8", linewidth=0.8, zorder=0)
    for k, r in enumerate(MEASURED):
        above.axvline(r, color="#e0843a", linestyle=":", zorder=0, label="" if k else "peaks by X-rays")
    above.set(ylabel="g(r)", xlim=(1.5, curves[0][1].max()), ylim=(0, None))
    above.legend(edgecolor="none", framealpha=1)
    under.axvline(SHELL, color="0.8", linewidth=0.8, zorder=0)
    under.set(xlabel="r, Å", ylabel="neighbors below r", ylim=(0, 20))
    for axes in (above, under):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=150)


def main():
    """Read, say, draw."""
    curves = [("pair_style cambrian", *read_rdf("melt.rdf"))]
    for file in sys.argv[1:]:
        [(_, liquid)] = distributions((s.atoms for s in read(file)), r_max=curves[0][1].max(), n_bins=60).items()
        curves.append((file, liquid.r, liquid.g, np.cumsum(liquid.neighbors)))
    for name, *curve in curves:
        peak, end, near, shell = figures(*curve)
        print(
            f"{name}: first peak at {peak:.2f} Å, {near:.1f} neighbors below {SHELL} Å, {shell:.1f} below {end:.2f} Å"
        )
    draw(curves, "melt.png")


if __name__ == "__main__":
    main()
