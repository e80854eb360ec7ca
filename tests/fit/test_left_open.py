"""What data of one composition leave open stays near zero, and a fit that is replaced is kept."""

import numpy as np
from ase.build import molecule
from ase.calculators.emt import EMT

from cambrian.classical.element_shifts import ElementShifts
from cambrian.data import Dataset, Structure
from cambrian.fit import fit
from cambrian.fit.nonlinear_least_squares import NonlinearLeastSquares
from cambrian.recipes.lj import lj
from cambrian.report.fit_folder import write_fit


def rattled_ethanol(n: int) -> Dataset:
    structures = []
    for k in range(n):
        atoms = molecule("CH3CH2OH")
        atoms.rattle(0.05, seed=k)
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = None
        structures.append(Structure(atoms, energy=energy, forces=forces, frame=k))
    return Dataset(structures)


def test_energies_of_elements_in_one_composition_do_not_run_away(tmp_path):
    data = rattled_ethanol(10)
    potential, _ = lj()
    result = fit(potential, data, NonlinearLeastSquares(starts=1, max_evaluations=60, ridge=1e-3))
    (shifts,) = [term for term in potential.terms() if isinstance(term, ElementShifts)]
    largest = max(float(np.abs(p.detach().numpy()).max()) for p in shifts.parameters())
    scale = max(abs(s.energy) for s in data) + 100.0  # the pairs of a molecule may hold this much
    assert largest < 10 * scale
    for _ in range(2):
        write_fit(tmp_path, result, name="lj", recipe="recipe: lj\n")
    assert (tmp_path / "potential.previous.safetensors").is_file()
    assert (tmp_path / "potential.safetensors").is_file()
