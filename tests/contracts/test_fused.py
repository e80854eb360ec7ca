"""What was made of tensors is made anew when one changes, however that came about."""

import pytest
import torch

from cambrian.contracts.fused import Watched


def replaced(t):
    return [torch.nn.Parameter(t.detach().clone())]


def added(t):
    with torch.no_grad():
        t.add_(1.0)
    return [t]


def given_other_data(t):
    t.data = torch.ones(3)
    return [t]


@pytest.mark.parametrize("change", [replaced, added, given_other_data, lambda t: [], lambda t: [t, t]])
def test_every_change_is_seen(change):
    tensor = torch.nn.Parameter(torch.zeros(3))
    watched = Watched([tensor])
    assert watched.unchanged([tensor])
    assert not watched.unchanged(change(tensor))


def test_a_tensor_in_the_place_of_one_that_is_gone_is_another():
    watched = Watched([torch.zeros(3)])
    for _ in range(20):
        assert not watched.unchanged([torch.zeros(3)])
