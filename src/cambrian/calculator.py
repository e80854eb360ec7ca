"""Any potential as an ASE calculator: energies and forces for optimizers, dynamics and whatever else ASE runs.

    atoms.calc = Calculator("potential.safetensors")

The neighbor list carries a skin, so that dynamics rebuilds it only every few tens of steps; the potential runs by its
compiled route where it has one. A committee is evaluated member by member: results are the mean, and their spread
stands beside it as `energy_std` (eV) and `forces_std` (atoms,) eV/Å.
"""

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators import calculator as ase_calculator
from ase.calculators.calculator import BaseCalculator
from ase.outputs import Properties, all_outputs
from numpy.typing import NDArray

from cambrian.contracts.archive import fingerprint, load
from cambrian.contracts.committee import Committee
from cambrian.contracts.engine import predictor
from cambrian.contracts.evaluate import Prediction
from cambrian.contracts.force_model import NOT_CONSERVED, ForceModel
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.contracts.spread import Spread
from cambrian.data.labelling import charge_and_spin
from cambrian.errors import UserError
from cambrian.graph import NeighborList
from cambrian.math.voigt import voigt


class Calculator(ase_calculator.Calculator):
    """ASE calculator of a potential, given itself or as the path of a saved one.

    The total charge (e) and the spin (number of unpaired electrons) of a structure are read from `atoms.info`, under
    the keys that data files have (`total_charge`, `spin` ...). Stress exists only where a structure is periodic in all
    three directions. Raises UserError for a broken file, and on calculation for an element the potential does not know,
    atoms at one place and a flat cell.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress", "energies", "charges", "dipole"]

    def __init__(self, potential: Potential | str | Path, *, skin: float = 0.5):
        super().__init__()
        if isinstance(potential, ForceModel):
            raise UserError(f"this model has no energy, {NOT_CONSERVED}; who wants its forces takes ForceCalculator")
        self.potential = potential if isinstance(potential, Potential) else load(potential)
        members = self.potential.members if isinstance(self.potential, Committee) else [self.potential]
        self._predictors = [predictor(member) for member in members if isinstance(member, Potential)]
        self._neighbors = NeighborList(self.potential.cutoff, skin=skin)

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What changed since the last calculation, to the last digit; total charge and spin count as `info`."""
        if self.atoms is None:
            return list(ase_calculator.all_changes)
        before, now = _read_by_potentials(self.atoms), _read_by_potentials(atoms)
        return [name for name, value in now.items() if not np.array_equal(value, before[name])]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = ase_calculator.all_changes,
    ) -> None:
        """Compute everything the potential offers; ASE calls this when something changed."""
        super().calculate(atoms, properties or ["energy"], system_changes)
        self.results = {}
        structure: Any = self.atoms  # ASE keeps a copy of what was given
        total_charge, spin = charge_and_spin(structure.info)
        graph = self._neighbors.graph(structure, total_charge=total_charge, spin=spin)
        device = self.potential.elements.device
        graph = graph if device.type == "cpu" else graph.to(device)
        predictions = [predict(graph) for predict in self._predictors]
        members = [_results(p) for p in predictions]
        results = members[0] if len(members) == 1 else _mean(members)
        if not structure.pbc.all():
            results.pop("stress", None)
        if isinstance(self.potential, Committee) and self.potential.differentiable:
            spread = Spread.of(predictions)
            results |= {"energy_std": float(spread.energy[0]), "forces_std": spread.forces.cpu().numpy()}
        self.results = results

    def todict(self) -> dict[str, str]:
        """The fingerprint of the potential: what ASE writes beside results, and what tells two runs apart."""
        return {"potential": fingerprint(self.potential)}

    def _get_name(self) -> str:
        return "cambrian"

    def export_properties(self) -> Properties:
        """The results that ASE has a name for."""
        return Properties({name: value for name, value in self.results.items() if name in all_outputs})


class ForceCalculator(ase_calculator.Calculator):
    """ASE calculator of a model that gives forces without an energy: energy is not conserved, and stands as NaN.

    Take a thermostat, and nothing that needs an energy (minimization, free energies).
    """

    implemented_properties = ["energy", "forces"]

    def __init__(self, model: ForceModel, *, skin: float = 0.5):
        super().__init__()
        self.model, self._neighbors = model, NeighborList(model.cutoff, skin=skin)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = ase_calculator.all_changes,
    ) -> None:
        """Compute the forces; ASE calls this when something changed."""
        super().calculate(atoms, properties or ["forces"], system_changes)
        structure: Any = self.atoms  # ASE keeps a copy of what was given
        forces = self.model.predict(self._neighbors.graph(structure)).forces
        assert forces is not None
        self.results = {"energy": np.nan, "forces": forces.numpy()}

    def todict(self) -> dict[str, str]:
        """The fingerprint of the model."""
        return {"potential": fingerprint(self.model)}

    def _get_name(self) -> str:
        return "cambrian"


def calculator_for(driver: Potential | Labeller, atoms: Atoms) -> BaseCalculator:
    """A calculator of a potential or of a reference method for one structure, whose charge and spin are in `info`.

    Raises UserError where a reference method has none.
    """
    if isinstance(driver, Potential):
        return Calculator(driver)
    total_charge, spin = charge_and_spin(atoms.info)
    return driver.calculator(total_charge=total_charge, spin=spin)


def _read_by_potentials(atoms: Atoms) -> dict:
    return {
        "positions": atoms.positions,
        "numbers": atoms.numbers,
        "cell": atoms.cell.array,
        "pbc": atoms.pbc,
        "info": charge_and_spin(atoms.info),
    }


def _results(p: Prediction) -> dict[str, float | NDArray]:
    energy = float(p.energy[0])
    named = {
        "forces": p.forces,
        "stress": None if p.stress is None else voigt(p.stress[0]),
        "energies": p.atomic_energies,
        "charges": p.charges,
        "dipole": None if p.dipole is None else p.dipole[0],
    }
    arrays = {name: value.detach().cpu().numpy().astype(float) for name, value in named.items() if value is not None}
    return {"energy": energy, "free_energy": energy, **arrays}


def _mean(members: list[dict]) -> dict[str, float | NDArray]:
    shared = [name for name in members[0] if all(name in m for m in members)]
    means = {name: np.mean([m[name] for m in members], axis=0) for name in shared}
    return {name: float(value) if value.ndim == 0 else value for name, value in means.items()}
