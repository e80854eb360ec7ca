"""Density functionals of small crystals by PySCF: Gaussian bases, Goedecker pseudopotentials, forces and stress.

Q. Sun et al., J. Chem. Phys. 153, 024109 (2020); S. Goedecker, M. Teter, J. Hutter, Phys. Rev. B 54, 1703 (1996).
"""

from typing import Any, cast

from ase import Atoms
from ase.calculators.calculator import BaseCalculator, Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from cambrian.contracts.labeller import Labeller
from cambrian.data.structure import Structure
from cambrian.errors import UserError
from cambrian.label.by_calculator import labelled_by
from cambrian.label.electrons import refuse_contradiction
from cambrian.label.pyscf import pyscf, refuse_unconverged, refuse_unknown_functional
from cambrian.units import BOHR, HARTREE


class PeriodicPySCF(Labeller):
    """PySCF for cells periodic in three directions, closed shells with a gap: energy, forces, stress.

    `k_points` along each reciprocal axis; `plane_wave_cutoff` in eV of the grid on which the density stands, PySCF's
    own choice where none is given. `convergence` of the energy in eV. For metals take `espresso` or `vasp`.
    """

    def __init__(
        self,
        *,
        xc: str = "PBE",
        basis: str = "gth-dzvp",
        pseudopotential: str = "gth-pbe",
        k_points: tuple[int, int, int] = (1, 1, 1),
        plane_wave_cutoff: float | None = None,
        convergence: float = 1e-7,
        max_cycles: int = 100,
    ):
        self.xc, self.basis, self.pseudopotential = xc, basis, pseudopotential
        self.k_points, self.plane_wave_cutoff = tuple(k_points), plane_wave_cutoff
        self.convergence, self.max_cycles = convergence, max_cycles

    @property
    def level(self) -> str:
        """Such as `PBE/gth-dzvp/gth-pbe, 2 x 2 x 2 k-points (PySCF)`."""
        grid = " x ".join(map(str, self.k_points))
        return f"{self.xc}/{self.basis}/{self.pseudopotential}, {grid} k-points (PySCF)"

    def ready(self) -> None:
        """Raise UserError for a functional PySCF does not know, MissingExtraError where PySCF is missing."""
        pyscf()
        refuse_unknown_functional(self.xc)

    def calculator(self, *, total_charge: float = 0.0, spin: float = 0.0) -> BaseCalculator:
        """An ASE calculator for cells of one total charge (e); raises UserError for unpaired electrons."""
        if spin:
            raise UserError(f"pyscf_pbc computes closed shells, not spin {spin:g}; take espresso or vasp")
        return _Cells(self, total_charge)

    def label(self, atoms: Atoms, *, total_charge: float = 0.0, spin: float = 0.0) -> Structure:
        """Labels of one cell; raises UserError where it is not periodic or self-consistency does not converge."""
        if not atoms.pbc.all():
            raise UserError("pyscf_pbc computes cells that are periodic in three directions; for molecules take pyscf")
        calculator = self.calculator(total_charge=total_charge, spin=spin)
        refuse_contradiction(atoms, total_charge, spin)
        return labelled_by(calculator, atoms, level=self.level, total_charge=total_charge, spin=spin)

    def compute(self, atoms: Atoms, total_charge: float) -> dict:
        """Energy (eV), forces (eV/Å) and stress (eV/Å³, ASE's order and sign)."""
        from pyscf.pbc import dft, gto

        cell = gto.M(
            a=atoms.cell.array / BOHR,
            atom=list(zip(atoms.symbols, atoms.positions / BOHR, strict=True)),
            unit="Bohr",
            basis=self.basis,
            pseudo=self.pseudopotential,
            ke_cutoff=None if self.plane_wave_cutoff is None else self.plane_wave_cutoff / HARTREE,
            charge=round(total_charge),
            verbose=0,
        )
        mean_field: Any = dft.KRKS(cell, cell.make_kpts(self.k_points), xc=self.xc)
        mean_field.chkfile = None
        mean_field.conv_tol, mean_field.max_cycle = self.convergence / HARTREE, self.max_cycles
        energy = mean_field.kernel()
        refuse_unconverged(mean_field, "self-consistency")
        gradients = mean_field.nuc_grad_method()
        results = {"energy": energy * HARTREE, "forces": -gradients.kernel() * HARTREE / BOHR}
        if hasattr(gradients, "get_stress"):  # not in older versions of PySCF
            stress = gradients.get_stress() * HARTREE / BOHR**3
            results["stress"] = full_3x3_to_voigt_6_stress((stress + stress.T) / 2)
        return results

    @classmethod
    def example(cls) -> "PeriodicPySCF":
        """A minimal basis, one k-point."""
        return cls(basis="gth-szv")


class _Cells(Calculator):
    """PySCF's crystals behind ASE's interface."""

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, labeller: PeriodicPySCF, total_charge: float):
        super().__init__()
        self.labeller, self.total_charge = labeller, total_charge

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Everything at once."""
        super().calculate(atoms, properties, system_changes)
        self.results = self.labeller.compute(cast(Atoms, self.atoms), self.total_charge)
