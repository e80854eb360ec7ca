"""Triggers: zero or small on what was learned, growing away from it; limits in order; who cannot tell is refused."""

import numpy as np
import pytest
import torch
from small_learning import labelled, net, shells, tetrahedron

from cambrian.contracts import Committee, Descriptor, DescriptorPotential, Trigger
from cambrian.contracts.catalogue import classes
from cambrian.contracts.evaluate import evaluate
from cambrian.data import Dataset, Structure
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.committee import fit_committee
from cambrian.graph import graph_of, sum_over_neighbors
from cambrian.learn.committee_disagreement import CommitteeDisagreement
from cambrian.learn.extrapolation import Extrapolation
from cambrian.learn.posterior_variance import PosteriorVariance
from cambrian.regressors.linear import LinearRegressor


class Bell(Descriptor):
    """Σ_j exp(-(r_ij - 2)² / 0.5) f(r_ij)."""

    def __init__(self):
        super().__init__()
        self.cutoff, self.n_features = 5.0, 1

    def features(self, graph):
        distance = graph.r_ij.norm(dim=-1)[:, None]
        bell = (-((distance - 2.0) ** 2) / 0.5).exp() * (1 - (distance / self.cutoff) ** 2) ** 3
        return sum_over_neighbors(bell, graph)

    @classmethod
    def example(cls):
        return cls()


@pytest.fixture(scope="module")
def known() -> Dataset:
    return labelled(20)


@pytest.fixture(scope="module")
def committee(known):
    return fit_committee(*_swap(shells(), known), n_members=3).potential


def _swap(recipe, data):
    potential, solver = recipe
    return potential, data, solver


def graph(atoms, cutoff=5.0):
    return graph_of(atoms, cutoff)


def test_the_catalogue_knows_every_trigger():
    assert {"CommitteeDisagreement", "Extrapolation", "PosteriorVariance"} <= set(classes(Trigger))


def test_trust_levels():
    trigger = CommitteeDisagreement(low=0.1, high=0.4)
    verdicts = [trigger.judge(v) for v in (0.0, 0.0999, 0.1, 0.4, 0.4001, float("inf"), float("nan"))]
    assert verdicts == ["accurate"] * 2 + ["candidate"] * 2 + ["failed"] * 3


@pytest.mark.parametrize(("low", "high"), [(0.4, 0.1), (0.0, 1.0), (0.2, 0.2)])
def test_limits_out_of_order_are_refused(low, high):
    with pytest.raises(UserError, match="0 < low < high"):
        CommitteeDisagreement(low=low, high=high)


def test_disagreement_is_the_spread_of_the_members_forces(committee, known):
    measure = CommitteeDisagreement().measure(committee, known)
    g = graph(tetrahedron(1.1))
    forces = torch.stack([evaluate(m, g).forces for m in committee.members]).numpy()
    expected = np.sqrt(((forces - forces.mean(axis=0)) ** 2).sum(axis=2).mean(axis=0))
    np.testing.assert_allclose(measure(g).numpy(), expected, rtol=1e-10)


def test_disagreement_grows_away_from_the_data(committee, known):
    measure = CommitteeDisagreement().measure(committee, known)
    near, far = (float(measure(graph(tetrahedron(s))).max()) for s in (1.0, 0.7))
    assert far > 20 * near


def test_a_single_potential_has_no_disagreement(known):
    potential = fit(*_swap(shells(), known)).potential
    with pytest.raises(UserError, match="--committee"):
        CommitteeDisagreement().measure(potential, known)


def test_extrapolation_is_zero_on_every_training_structure(committee, known):
    measure = Extrapolation().measure(committee, known)
    assert all(float(measure(g).max()) == 0.0 for g in known.graphs(5.0))


def test_extrapolation_counts_widths_outside_the_range():
    """One feature, two training structures: a dimer's value outside the range is known by hand."""

    def dimer(r):
        atoms = tetrahedron()[:2]
        atoms.positions = [[0, 0, 0], [r, 0, 0]]
        return atoms

    train = Dataset([Structure(dimer(r)) for r in (2.0, 2.2)])
    potential = DescriptorPotential(Bell(), LinearRegressor())
    potential.setup(train)
    measure = Extrapolation().measure(potential, train)
    a, b, c = (float(potential.descriptor.features(graph(dimer(r)))[0, 0]) for r in (2.0, 2.2, 1.9))
    assert c > max(a, b)
    expected = (c - max(a, b)) / abs(a - b)
    np.testing.assert_allclose(measure(graph(dimer(1.9))).numpy(), expected, rtol=1e-6)
    assert float(measure(graph(dimer(2.1))).max()) == 0.0


def test_extrapolation_needs_features(known):
    from cambrian.classical.harmonic import Harmonic

    potential = Harmonic.example()
    with pytest.raises(UserError, match="descriptor"):
        Extrapolation().measure(potential, known)


def test_the_posterior_widens_away_from_the_data(committee, known):
    potential = fit(*_swap(shells(), known)).potential
    measure = PosteriorVariance().measure(potential, known)
    near, far = (float(measure(graph(tetrahedron(s))).max()) for s in (1.0, 0.7))
    assert far > 20 * near > 0
    with pytest.raises(UserError, match="CommitteeDisagreement"):
        PosteriorVariance().measure(committee, known)
    network = fit(*_swap(net(epochs=1), known)).potential
    with pytest.raises(UserError, match="LeastSquares"):
        PosteriorVariance().measure(network, known)


def test_a_network_committee_is_measured_too(known):
    found = fit_committee(*_swap(net(epochs=5), known), n_members=2, resampling="none")
    assert isinstance(found.potential, Committee)
    for trigger in (CommitteeDisagreement(), Extrapolation()):
        values = trigger.measure(found.potential, known)(graph(tetrahedron(0.8)))
        assert values.shape == (4,)
        assert float(values.max()) > 0
