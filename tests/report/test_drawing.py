"""Drawings: numbers that a reader can read."""

import pytest

from cambrian.report.drawing import svg


@pytest.mark.parametrize("ends", [(24.5, 28.0), (2.0, 20.0), (1e-3, 1e3)])
def test_logarithmic_axes_have_plain_numbers(ends):
    def draw(axes):
        axes.plot(ends, ends)
        axes.set(xscale="log", yscale="log")

    text = svg(draw, "plain", (3.4, 2.8))
    assert "mathdefault" not in text
    assert "\N{MULTIPLICATION SIGN}" not in text
    assert text.count("<text") >= 6
