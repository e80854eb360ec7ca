"""Contractions of moment tensors: how many there are, and their values by sums over full tensors."""

import itertools
import string

import numpy as np
import pytest

from cambrian.math.contraction_terms import ContractionTerms
from cambrian.math.moment_contractions import Contraction, Levels, contractions

# Counted by enumerating multigraphs independently of this code.
COUNTS = {2: 1, 4: 2, 6: 5, 8: 9, 10: 17, 12: 32, 14: 61, 16: 116, 18: 229, 20: 460}


@pytest.mark.parametrize(("level", "count"), COUNTS.items())
def test_number_of_contractions(level, count):
    found = contractions(level)
    assert len(found) == len(set(found)) == count
    assert all(c.level(Levels()) <= level for c in found)


def pairs(c: Contraction) -> list[tuple[int, int]]:
    return [(a, b) for a, b, m in c.bonds for _ in range(m)]


def test_equal_graphs_are_one_contraction():
    rng = np.random.default_rng(0)
    for c in contractions(14):
        order = rng.permutation(len(c.moments))
        place = {int(old): new for new, old in enumerate(order)}
        shuffled = [(place[b], place[a]) for a, b in pairs(c)]
        rng.shuffle(shuffled)
        assert Contraction.of([c.moments[k] for k in order], [(int(a), int(b)) for a, b in shuffled]) == c


def test_enumeration_is_complete_for_three_tensors():
    """All ways to join the six legs of (0, 2), (0, 2), (1, 2) without loops: a triangle, and nothing else connected."""
    moments, legs = [(0, 2), (0, 2), (1, 2)], [0, 0, 1, 1, 2, 2]
    found = set()
    for order in itertools.permutations(range(6)):
        joined = [(legs[a], legs[b]) for a, b in zip(order[::2], order[1::2], strict=True)]
        if all(a != b for a, b in joined):
            found.add(Contraction.of(moments, joined))
    level = sum(Levels().of(m) for m in moments)
    assert found == {c for c in contractions(level) if sorted(c.moments) == moments}
    assert len(found) == 1


@pytest.mark.parametrize(
    ("moments", "joined"),
    [([(0, 1)], []), ([(0, 1), (0, 1)], [(0, 0)]), ([(0, 2), (0, 1)], [(0, 1)]), ([(0, 1), (0, 1)], [(0, 2)])],
)
def test_impossible_graphs_are_refused(moments, joined):
    with pytest.raises(ValueError, match="pair|indices"):
        Contraction.of(moments, joined)


def test_values_equal_sums_over_full_tensors():
    """Terms and polynomials against einsum of r̂ ⊗ r̂ ⊗ ... summed over a few neighbors."""
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(5, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    radial = rng.normal(size=(5, 5))
    chosen = contractions(16) + [c for c in contractions(18) if len(c.moments) > 3][-20:]

    def tensor(mu: int, nu: int) -> np.ndarray:
        total = np.zeros((3,) * nu)
        for f, u in zip(radial, directions, strict=True):
            outer = np.array(f[mu])
            for _ in range(nu):
                outer = np.multiply.outer(outer, u)
            total = total + outer
        return total

    program = ContractionTerms(chosen)
    nodes = [
        sum(f[mu] * u[0] ** a * u[1] ** b * u[2] ** c for f, u in zip(radial, directions, strict=True))
        for mu, a, b, c in program.moments
    ]
    components = dict(zip(program.moments, nodes, strict=True))
    for (target, left, right), c in zip(program.terms, program.coefficients, strict=True):
        nodes += [0.0] * (target + 1 - len(nodes))
        nodes[target] += c * nodes[left] * nodes[right]
    for c, (factor, node) in zip(chosen, program.scalars, strict=True):
        names = iter(string.ascii_letters)
        words = [""] * len(c.moments)
        for a, b in pairs(c):
            name = next(names)
            words[a], words[b] = words[a] + name, words[b] + name
        tensors = [tensor(*m) for m in c.moments]
        scale = float(np.prod([np.linalg.norm(t) for t in tensors]))
        expected = float(np.einsum(",".join(words) + "->", *tensors, optimize=True))
        assert factor * nodes[node] == pytest.approx(expected, abs=1e-12 * scale)
        by_components = sum(w * np.prod([components[m] for m in factors]) for factors, w in c.polynomial().items())
        assert by_components == pytest.approx(expected, abs=1e-12 * scale)


def test_terms_are_shared_and_in_order():
    chosen = contractions(16)
    program = ContractionTerms(chosen)
    targets = [t for t, _, _ in program.terms]
    assert targets == sorted(targets)
    assert set(targets) == set(range(len(program.moments), max(targets) + 1))
    assert all(left < t and right < t for t, left, right in program.terms)
    one_by_one = sum(len(ContractionTerms([c]).terms) for c in chosen)
    assert len(program.terms) < one_by_one
