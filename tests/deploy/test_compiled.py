"""The file for the compiled library as Python writes it: readable by anyone, and refused with the name of the term."""

import zlib

import numpy as np
import pytest
from contracts.subjects import dataset, of_contract, shake
from safetensors import safe_open

from cambrian.classical.element_shifts import ElementShifts
from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.classical.zbl import ZBL
from cambrian.contracts import Committee, DescriptorPotential, Frozen, Potential
from cambrian.deploy.compiled import NO_CHECKSUM, compiled_file, not_compiled, write_compiled
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.errors import UserError
from cambrian.regressors.linear import LinearRegressor


def ready(potential: Potential) -> Potential:
    potential.setup(dataset())
    return shake(potential)


def snap(**settings) -> DescriptorPotential:
    return DescriptorPotential(SO4Bispectrum(cutoff=3.0, two_j_max=2, **settings), LinearRegressor())


def test_the_file_is_safetensors_with_metadata(tmp_path):
    potential = ready(snap() + Frozen(ZBL()) + ElementShifts())
    path = write_compiled(potential, tmp_path / "potential.cambrian")
    with safe_open(path, "numpy") as file:
        about = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    assert about["format"] == "cambrian compiled potential"
    assert about["elements"] == "H C O"
    assert about["summary"] == "SO4Bispectrum with LinearRegressor + ZBL + ElementShifts"
    np.testing.assert_array_equal(arrays["0.2.constants.energies"], potential.parts[2].by_element().detach())
    table = potential.parts[0].regressor.coefficients.detach().reshape(3, -1)
    np.testing.assert_array_equal(arrays["0.0.bispectrum+linear.coefficients"], table[:, 1:])
    assert {a.dtype for a in arrays.values()} == {np.dtype(np.float64), np.dtype(np.int64)}
    contents = path.read_bytes()
    digits = about["checksum"].encode()
    assert f"{zlib.crc32(contents.replace(digits, NO_CHECKSUM.encode(), 1)):08x}".encode() == digits


def test_terms_without_a_compiled_form_are_named(tmp_path):
    potential = ready(snap(switch=False) + ElementShifts())
    assert not_compiled(potential) == ["SO4Bispectrum with LinearRegressor"]
    with pytest.raises(UserError, match="no compiled form of SO4Bispectrum with LinearRegressor"):
        write_compiled(potential, tmp_path / "potential.cambrian")
    assert not list(tmp_path.iterdir())


def test_a_frozen_term_and_a_member_are_named_by_what_they_hold():
    layers = of_contract(Potential)["TwoLayers"]
    assert not_compiled(ready(snap() + Frozen(layers()))) == ["TwoLayers"]
    assert not_compiled(ready(Committee([snap(), snap()]) + layers(seed=1))) == ["TwoLayers"]
    jumping = Committee([snap(switch=False), snap(switch=False)])
    assert not_compiled(ready(jumping)) == ["SO4Bispectrum with LinearRegressor"]
    assert not_compiled(ready(Committee([snap(), snap()]) + ElementShifts())) == []


def test_what_is_not_fitted_is_refused():
    with pytest.raises(UserError, match="not fitted yet"):
        compiled_file(snap())
    with pytest.raises(UserError, match="not fitted yet"):
        compiled_file(snap() + ElementShifts())


def test_terms_of_different_elements_do_not_go_into_one_file():
    potential = ready(snap()) + IsolatedAtoms({"H": -1.0, "Si": -2.0})
    assert not_compiled(potential) == ["IsolatedAtoms"]
