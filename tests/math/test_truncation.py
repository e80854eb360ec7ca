"""Truncations: the smoothness each one claims, and what each one leaves as it is."""

import pytest
import torch

from cambrian.configurable import describe
from cambrian.contracts.catalogue import build, classes
from cambrian.math.envelopes import CosineEnvelope
from cambrian.math.truncation import EnergyShifted, Enveloped, ForceShifted, Plain, Truncation

CUTOFF = 2.5
EVERY = [Plain(), EnergyShifted(), ForceShifted(), Enveloped(), Enveloped(CosineEnvelope())]


def curves(r, row):
    return torch.tensor([1.0, -2.0], dtype=r.dtype)[row] / r**3


def below_the_cutoff(truncation, at: float, order: int) -> list[float]:
    r = torch.tensor([at, at], dtype=torch.float64, requires_grad=True)
    value = truncation(curves, r, torch.tensor([0, 1]), 2, CUTOFF)
    found = [value.abs().max().item()]
    for _ in range(order):
        (value,) = torch.autograd.grad(value.sum(), r, create_graph=True)
        found.append(value.abs().max().item())
    return found


@pytest.mark.parametrize("truncation", EVERY, ids=lambda t: str(describe(t)))
def test_ends_as_smoothly_as_it_says(truncation):
    claimed = int(truncation.smoothness)
    found = below_the_cutoff(truncation, CUTOFF - 1e-8, claimed + 1)
    assert max(found[: claimed + 1], default=0.0) < 1e-6
    assert found[claimed + 1] > 1e-3


def test_what_each_one_subtracts():
    r, row = torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor([1, 0])
    end, slope = torch.tensor([-2.0, 1.0]) / CUTOFF**3, torch.tensor([6.0, -3.0]) / CUTOFF**4
    expected = curves(r, row)
    torch.testing.assert_close(Plain()(curves, r, row, 2, CUTOFF), expected)
    torch.testing.assert_close(EnergyShifted()(curves, r, row, 2, CUTOFF), expected - end)
    torch.testing.assert_close(ForceShifted()(curves, r, row, 2, CUTOFF), expected - end - (r - CUTOFF) * slope)
    torch.testing.assert_close(Enveloped()(curves, r, row, 2, CUTOFF), expected)  # both on the plateau of 0.8
    with torch.no_grad():
        torch.testing.assert_close(ForceShifted()(curves, r, row, 2, CUTOFF), expected - end - (r - CUTOFF) * slope)


def test_a_configuration_names_a_truncation():
    assert {type(t).__name__ for t in EVERY} == set(classes(Truncation))
    built = build({"Enveloped": {"envelope": {"CosineEnvelope": {}}}})
    assert isinstance(built.envelope, CosineEnvelope)
    assert build(describe(ForceShifted())).smoothness == 1
