"""Rows of listed symmetry functions that make no function are refused, with the mend."""

import pytest

from cambrian.contracts.catalogue import build
from cambrian.descriptors.acsf import Listed
from cambrian.errors import UserError
from cambrian.math.envelopes import CosineEnvelope
from cambrian.math.symmetry_functions import SymmetryFunction
from cambrian.math.symmetry_plan import parts_of

RADIAL = {"kind": "radial", "neighbors": "H", "eta": 0.3}
WIDE = {"kind": "wide", "neighbors": "O-H", "eta": 0.3, "zeta": 1, "lambda": 1}
COMPACT = {"kind": "narrow", "neighbors": "O-H", "core": "p2", "lower": 0.0}


def without(row: dict, name: str) -> dict:
    return {k: v for k, v in row.items() if k != name}


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (RADIAL | {"neighbors": "H-O"}, "one neighbor, such as O, not H-O"),
        (WIDE | {"neighbors": "H"}, "two neighbors, such as O-H, not H"),
        (WIDE | {"kind": "narrow", "neighbors": "H-O-H"}, "two neighbors"),
        (RADIAL | {"neighbors": "X-ray"}, "no chemical element"),
        (RADIAL | {"kind": "Radial"}, "not 'Radial'; did you mean 'radial'"),
        (without(RADIAL, "kind"), "radial, narrow, wide"),
        (without(RADIAL, "eta"), "'eta' is missing"),
        (without(WIDE, "zeta"), "'zeta' is missing"),
        (without(COMPACT, "lower"), "'lower' is missing"),
        (without(WIDE, "lambda") | {"lamda": -1}, "no 'lamda'; did you mean 'lambda'"),
        (RADIAL | {"zeta": 4}, "Gaussian radial function has no 'zeta'"),
        (COMPACT | {"eta": 4}, "compact narrow function has no 'eta'"),
        (RADIAL | {"eta": "much"}, "'eta' must be a number, not 'much'"),
    ],
)
def test_a_row_that_makes_no_function_is_refused(row, complaint):
    with pytest.raises(UserError, match=complaint) as raised:
        Listed({"O": [RADIAL, row]})
    assert "function 2 of O" in str(raised.value)
    with pytest.raises(UserError, match="Listed: function 2 of O"):
        build({"Listed": {"table": {"O": [RADIAL, row]}}})


def test_an_element_that_is_none_is_refused():
    with pytest.raises(UserError, match="no chemical element"):
        Listed({"Oxygen": [RADIAL]})


@pytest.mark.parametrize("row", [RADIAL, WIDE, COMPACT, without(WIDE, "neighbors"), RADIAL | {"eta": "1e-3"}])
def test_good_rows_are_taken(row):
    assert len(list(Listed({"O": [row]}).functions(8, [1, 8], 6.0))) == 1


@pytest.mark.parametrize(
    ("kind", "neighbors"), [("radial", (0, 1)), ("wide", (0,)), ("wide", (1, 0)), ("radial", (2,))]
)
def test_a_plan_leaves_no_function_out(kind, neighbors):
    function = SymmetryFunction(kind, neighbors, 0.3, 0.0, 4.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="neighbors"):
        parts_of([function], CosineEnvelope(), 2)
