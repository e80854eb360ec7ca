"""Envelopes: published values and forms, and the smoothness that each one claims."""

import math

import pytest
import torch

from cambrian.configurable import describe
from cambrian.contracts.catalogue import build, classes
from cambrian.errors import UserError
from cambrian.math.envelopes import (
    BumpEnvelope,
    CosineEnvelope,
    DimeNetEnvelope,
    Envelope,
    ExponentialEnvelope,
    HardEnvelope,
    PolynomialEnvelope,
    TanhCubeEnvelope,
    UnitTanhCubeEnvelope,
    inner_switch,
)

CUTOFF = 6.0
PLATEAU = 0.4
EVERY = [
    HardEnvelope(),
    CosineEnvelope(),
    CosineEnvelope(inner_fraction=PLATEAU),
    TanhCubeEnvelope(),
    UnitTanhCubeEnvelope(),
    ExponentialEnvelope(),
    ExponentialEnvelope(inner_fraction=PLATEAU),
    *(PolynomialEnvelope(order=n) for n in range(5)),
    PolynomialEnvelope(order=3, inner_fraction=PLATEAU),
    DimeNetEnvelope(exponent=5),
    DimeNetEnvelope(),
    BumpEnvelope(),
    BumpEnvelope(inner_fraction=PLATEAU),
]


def name_of(envelope: Envelope) -> str:
    return str(describe(envelope))


def derivatives(envelope, at: float, order: int) -> list[float]:
    """Value and derivatives with respect to r by repeated differentiation."""
    r = torch.tensor([at], dtype=torch.float64, requires_grad=True)
    value = envelope(r, CUTOFF)
    found = [value.item()]
    for _ in range(order):
        if not value.requires_grad:
            found.append(0.0)
            continue
        (value,) = torch.autograd.grad(value.sum(), r, create_graph=True)
        found.append(value.item())
    return found


def jumps(envelope, at: float, order: int) -> list[float]:
    """Differences of the one-sided limits, extrapolated linearly from two points on each side."""
    step = 1e-6

    def limit(side: float) -> list[float]:
        near, far = (derivatives(envelope, at + side * k * step, order) for k in (1, 2))
        return [2 * n - f for n, f in zip(near, far, strict=True)]

    return [abs(a - b) for a, b in zip(limit(1), limit(-1), strict=True)]


@pytest.mark.parametrize("envelope", EVERY, ids=name_of)
def test_smoothness_at_the_cutoff_is_what_is_claimed(envelope):
    claimed = int(min(envelope.smoothness, 4))
    found = jumps(envelope, CUTOFF, claimed + 1)
    assert max(found[: claimed + 1], default=0.0) < 1e-7
    if envelope.smoothness < 4 or isinstance(envelope, PolynomialEnvelope):
        assert found[claimed + 1] > 1e-3, "it is smoother than it says"


@pytest.mark.parametrize("envelope", [e for e in EVERY if getattr(e, "inner_fraction", 0) > 0], ids=name_of)
def test_smoothness_at_the_plateau(envelope):
    claimed = int(min(envelope.inner_smoothness, 4))
    found = jumps(envelope, PLATEAU * CUTOFF, claimed + 1)
    assert max(found[: claimed + 1]) < 1e-7
    if math.isfinite(envelope.inner_smoothness):
        assert found[claimed + 1] > 1e-3
    assert derivatives(envelope, 0.5 * PLATEAU * CUTOFF, 2) == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("envelope", EVERY, ids=name_of)
def test_falls_from_its_value_at_zero_to_nothing(envelope):
    r = torch.linspace(0, CUTOFF, 200, dtype=torch.float64)
    values = envelope(r, CUTOFF)
    start = math.tanh(1) ** 3 if isinstance(envelope, TanhCubeEnvelope) else 1.0
    assert float(values[0]) == pytest.approx(start, abs=1e-12)
    assert (values[1:] <= values[:-1] + 1e-12).all()
    assert (envelope(CUTOFF + r, CUTOFF) == 0).all()
    torch.testing.assert_close(envelope(r, torch.full_like(r, CUTOFF)), values)


def test_published_values():
    r = torch.tensor([0.0, 1.5, 3.0, 5.0], dtype=torch.float64)
    x = r / CUTOFF
    assert float(TanhCubeEnvelope()(r, CUTOFF)[0]) == pytest.approx(0.4417, abs=5e-5)
    scale = ((math.e + 1 / math.e) / (math.e - 1 / math.e)) ** 3
    torch.testing.assert_close(UnitTanhCubeEnvelope()(r, CUTOFF), scale * TanhCubeEnvelope()(r, CUTOFF))
    forms = {
        1: 1 + x**2 * (2 * x - 3),
        2: 1 + x**3 * (x * (15 - 6 * x) - 10),
        3: 1 + x**4 * (x * (x * (20 * x - 70) + 84) - 35),
        4: 1 + x**5 * (x * (x * ((315 - 70 * x) * x - 540) + 420) - 126),
    }
    for order, form in forms.items():
        torch.testing.assert_close(PolynomialEnvelope(order=order)(r, CUTOFF), form)
    torch.testing.assert_close(DimeNetEnvelope(exponent=6)(r, CUTOFF), 1 - 28 * x**6 + 48 * x**7 - 21 * x**8)
    assert float(CosineEnvelope()(r, CUTOFF)[2]) == pytest.approx(0.5)
    curvature = derivatives(CosineEnvelope(), CUTOFF - 1e-9, 2)[2]
    assert curvature == pytest.approx(0.5 * (math.pi / CUTOFF) ** 2, rel=1e-6)


def test_bump_is_the_quotient_of_its_definition():
    r = torch.linspace(2.5, 5.9, 7, dtype=torch.float64)
    t = (r**2 - 2.4**2) / (CUTOFF**2 - 2.4**2)
    rise, fall = torch.exp(-1 / t), torch.exp(-1 / (1 - t))
    torch.testing.assert_close(BumpEnvelope(inner_fraction=0.4)(r, CUTOFF), fall / (rise + fall))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("envelope", [ExponentialEnvelope(), BumpEnvelope()], ids=name_of)
def test_derivatives_stay_finite_at_the_ends(envelope, dtype):
    edges = torch.tensor([0.0, 1e-7, CUTOFF * (1 - 1e-7), CUTOFF, 7.0], dtype=dtype, requires_grad=True)
    value = envelope(edges, CUTOFF)
    for _ in range(3):
        (value,) = torch.autograd.grad(value.sum(), edges, create_graph=True)
        assert torch.isfinite(value).all()


def test_inner_switch_rises_between_its_ends():
    r = torch.tensor([1.0, 1.5, 2.0, 2.5, 3.0], dtype=torch.float64)
    torch.testing.assert_close(inner_switch(r, 2.0, 0.5), torch.tensor([0, 0, 0.5, 1, 1], dtype=torch.float64))


def test_a_configuration_names_an_envelope():
    assert {type(e).__name__ for e in EVERY} == set(classes(Envelope))
    built = build({"PolynomialEnvelope": {"order": 3}})
    assert built.order == 3
    assert describe(built) == {"PolynomialEnvelope": {"order": 3, "inner_fraction": 0.0}}
    assert describe(build({"TanhCubeEnvelope": {}})) == {"TanhCubeEnvelope": {}}
    with pytest.raises(UserError, match="inner_fraction"):
        CosineEnvelope(inner_fraction=1.0)
