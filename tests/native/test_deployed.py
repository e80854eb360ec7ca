"""Deployed files of every term that has a compiled form give what the potential itself gives."""

import pytest
from compiled_runs import members, require_same
from contracts.subjects import dataset, names, of_contract, subject

from cambrian.deploy.compiled import not_compiled
from cambrian.native.library import available

pytestmark = pytest.mark.skipif(not available(), reason="the compiled kernels are not installed")


def part(contract: type, name: str):
    return of_contract(contract)[name].example()


@pytest.mark.parametrize("name", names())
def test_every_compiled_term_is_the_potential(name, tmp_path):
    s = subject(name)
    if not len(s.potential.elements):
        s.potential.setup(dataset(s.atoms))  # examples of terms that need no data
    if not_compiled(s.potential) or not any(list(m.terms()) for m in members(s.potential)):
        pytest.skip("no compiled form")
    require_same(s.potential, list(s.atoms), tmp_path)
