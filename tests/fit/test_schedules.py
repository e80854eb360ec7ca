"""Schedules at the points that define them."""

import numpy as np
import pytest

from cambrian.errors import UserError
from cambrian.fit.schedules import OneCycle


def test_one_cycle():
    schedule = OneCycle(initial=0.1, peak=0.4, final=1e-3)
    found = [schedule.factor(x) for x in (0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0, 1.2)]
    assert found == pytest.approx([0.1, 0.55, 1.0, 0.55, 0.1, 0.0505, 1e-3, 1e-3])
    steps = np.diff([schedule.factor(x) for x in np.linspace(0, 1, 2001)])
    assert np.abs(steps).max() < 2 * 0.9 / 0.4 / 2000  # no jumps


def test_a_peak_that_leaves_no_time_is_refused():
    with pytest.raises(UserError, match="half of the training at most"):
        OneCycle(peak=0.7)
