"""Quantum chemistry of molecules by PySCF: density functionals, Hartree-Fock, MP2, CCSD and CCSD(T) with gradients.

Q. Sun et al., J. Chem. Phys. 153, 024109 (2020).
"""

import warnings
from types import ModuleType
from typing import Any, Literal, cast

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, Calculator, all_changes
from numpy.typing import NDArray

from cambrian.contracts.labeller import Labeller
from cambrian.data.structure import Structure
from cambrian.errors import MissingExtraError, UserError
from cambrian.label.by_calculator import labelled_by
from cambrian.label.electrons import refuse_contradiction
from cambrian.units import BOHR, HARTREE

CORRELATED = ("MP2", "CCSD", "CCSD(T)")
COMMON = ("H", "C", "Si", "Fe", "Au")  # a basis that has none of them is none


class PySCF(Labeller):
    """PySCF for molecules: energy and analytic forces; dipole and Mulliken charges of DFT and HF.

    `xc` is any functional PySCF knows (PBE where `method` is DFT and none is named), dispersion included where its name
    ends on it, `PBE0-D3BJ` (this needs the package pyscf-dispersion). Without unpaired electrons orbitals are
    restricted; with some they are as `open_shell` says. `auxiliary_basis` turns density fitting on for DFT and HF:
    `auto`, or the name of a fitting basis. `freeze_core` leaves core electrons out of MP2 and coupled cluster.
    `convergence` of the energy in eV, `grid_level` 0 (coarse) to 9. Forces are derivatives of the energy on its own
    grid. Every structure starts from the same guess, so that labels do not depend on what was computed before.
    """

    def __init__(
        self,
        *,
        method: Literal["DFT", "HF", "MP2", "CCSD", "CCSD(T)"] = "DFT",
        xc: str | None = None,
        basis: str = "def2-SVP",
        auxiliary_basis: str | None = None,
        open_shell: Literal["unrestricted", "restricted"] = "unrestricted",
        freeze_core: bool = False,
        convergence: float = 1e-7,
        max_cycles: int = 100,
        grid_level: int = 3,
    ):
        if xc is not None and method != "DFT":
            raise UserError(f"{method} takes no functional: leave xc={xc} away, or method={method}")
        if method in CORRELATED and (auxiliary_basis is not None or open_shell == "restricted"):
            raise UserError(
                f"PySCF has no gradients of {method} with density fitting or restricted open shells: leave "
                f"auxiliary_basis and open_shell away"
            )
        if freeze_core and method not in CORRELATED:
            raise UserError(f"freeze_core goes with {', '.join(CORRELATED)}, not with {method}")
        self.method, self.xc, self.basis, self.auxiliary_basis = method, xc or "PBE", basis, auxiliary_basis
        self.open_shell, self.freeze_core, self.grid_level = open_shell, freeze_core, grid_level
        self.convergence, self.max_cycles = convergence, max_cycles

    @property
    def level(self) -> str:
        """Such as `PBE0/def2-SVP (PySCF)`."""
        name = self.xc if self.method == "DFT" else self.method
        kinds = ["density fitting"] * (self.auxiliary_basis is not None)
        kinds += ["restricted open shell"] * (self.open_shell == "restricted") + ["frozen core"] * self.freeze_core
        return f"{name}/{self.basis} ({', '.join(['PySCF', *kinds])})"

    def ready(self) -> None:
        """Raise UserError for a functional or a basis PySCF does not know, MissingExtraError where it is missing."""
        pyscf()
        refuse_unknown_functional(self.xc)
        from pyscf.gto import basis as bases

        if not any(_loads(bases, self.basis, symbol) for symbol in COMMON):
            raise UserError(f"PySCF knows no basis '{self.basis}'; write it as in def2-SVP, cc-pVTZ, 6-31G*, STO-3G")

    def calculator(self, *, total_charge: float = 0.0, spin: float = 0.0) -> BaseCalculator:
        """An ASE calculator for molecules of one total charge (e) and number of unpaired electrons."""
        return _Molecules(self, total_charge, spin)

    def label(self, atoms: Atoms, *, total_charge: float = 0.0, spin: float = 0.0) -> Structure:
        """Labels of one molecule.

        Raises UserError for a periodic structure, for charge and spin that contradict each other, and where
        self-consistency or coupled cluster does not converge.
        """
        if atoms.pbc.any():
            raise UserError("the structure is periodic; pyscf computes molecules, pyscf_pbc crystals")
        refuse_contradiction(atoms, total_charge, spin)
        if self.method == "CCSD(T)" and spin and atoms.numbers.sum() - total_charge > 1:
            raise UserError("PySCF has no right forces of CCSD(T) for open shells; take method=CCSD, or a closed shell")
        calculator = self.calculator(total_charge=total_charge, spin=spin)
        return labelled_by(calculator, atoms, level=self.level, total_charge=total_charge, spin=spin)

    def compute(self, atoms: Atoms, total_charge: float, spin: float) -> dict[str, Any]:
        """Energy (eV), forces (eV/Å) and, of DFT and HF, charges (e) and dipole (e Å)."""
        from pyscf import gto

        molecule = gto.M(
            atom=list(zip(atoms.symbols, atoms.positions / BOHR, strict=True)),
            unit="Bohr",
            basis=self.basis,
            ecp=_potentials(self.basis, set(atoms.symbols)),
            charge=round(total_charge),
            spin=round(spin),
            verbose=0,
        )
        mean_field = self._mean_field(molecule)
        energy = mean_field.kernel()
        refuse_unconverged(mean_field, "self-consistency")
        if self.method in CORRELATED and molecule.nelectron > 1:
            energy, gradients = self._correlated(mean_field)
            return {"energy": energy * HARTREE, "forces": -gradients * HARTREE / BOHR}
        return {
            "energy": energy * HARTREE,
            "forces": -_gradients(mean_field) * HARTREE / BOHR,
            "charges": mean_field.mulliken_pop(verbose=0)[1],
            "dipole": mean_field.dip_moment(unit="AU", verbose=0) * BOHR,
        }

    def _mean_field(self, molecule):
        from pyscf import dft, scf

        kind = "R" if molecule.spin == 0 else {"unrestricted": "U", "restricted": "RO"}[self.open_shell]
        if self.method == "DFT":
            mean_field = getattr(dft, f"{kind}KS")(molecule, xc=self.xc)
            mean_field.grids.level = self.grid_level
        else:
            mean_field = getattr(scf, f"{kind}HF")(molecule)
        if self.auxiliary_basis is not None:
            fitted = None if self.auxiliary_basis == "auto" else self.auxiliary_basis
            mean_field = mean_field.density_fit(auxbasis=fitted)
        mean_field.chkfile = None
        mean_field.conv_tol, mean_field.max_cycle = self.convergence / HARTREE, self.max_cycles
        return mean_field

    def _correlated(self, mean_field) -> tuple[float, NDArray]:
        """Energy and gradients, Hartree and Bohr."""
        from pyscf import cc, mp

        calculation: Any = (mp.MP2 if self.method == "MP2" else cc.CCSD)(mean_field)
        if self.freeze_core:
            calculation.set_frozen()
        if self.method == "MP2":
            calculation.kernel()
            return calculation.e_tot, calculation.nuc_grad_method().kernel()
        calculation.conv_tol = self.convergence / HARTREE
        calculation.conv_tol_normt = 1e-2 * np.sqrt(calculation.conv_tol)
        calculation.max_cycle = self.max_cycles
        calculation.kernel()
        refuse_unconverged(calculation, "coupled cluster")
        if self.method == "CCSD(T)":
            return calculation.e_tot + calculation.ccsd_t(), self._gradients_of_triples(calculation)
        return calculation.e_tot, calculation.nuc_grad_method().kernel()

    def _gradients_of_triples(self, calculation) -> NDArray:
        """PySCF would take the multipliers of CCSD, which are others, and give forces wrong by 3e-3 eV/Å for water."""
        from pyscf.cc import ccsd_t_lambda_slow as multipliers
        from pyscf.grad import ccsd_t

        integrals = calculation.ao2mo(calculation.mo_coeff)
        t1, t2 = calculation.t1, calculation.t2
        converged, l1, l2 = multipliers.kernel(
            calculation, integrals, t1, t2, max_cycle=self.max_cycles, tol=calculation.conv_tol_normt, verbose=0
        )
        if not converged:
            raise UserError(f"the forces of CCSD(T) did not converge in {self.max_cycles} cycles; raise max_cycles")
        return ccsd_t.Gradients(calculation).kernel(t1, t2, l1, l2, eris=integrals)

    @classmethod
    def example(cls) -> "PySCF":
        """Hartree-Fock in a minimal basis."""
        return cls(method="HF", basis="STO-3G")


class _Molecules(Calculator):
    """PySCF behind ASE's interface."""

    implemented_properties = ["energy", "forces", "charges", "dipole"]

    def __init__(self, labeller: PySCF, total_charge: float, spin: float):
        super().__init__()
        self.labeller, self.total_charge, self.spin = labeller, total_charge, spin

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Everything at once: forces cost little beside the energy."""
        super().calculate(atoms, properties, system_changes)
        self.results = self.labeller.compute(cast(Atoms, self.atoms), self.total_charge, self.spin)


def pyscf() -> ModuleType:
    """The package; raises MissingExtraError where it is not installed."""
    try:
        import pyscf
    except ImportError:
        raise MissingExtraError.of("pyscf", "dft") from None
    return pyscf


def refuse_unknown_functional(xc: str) -> None:
    """Raise UserError for a functional that PySCF does not know, and where its dispersion needs another package."""
    from importlib.util import find_spec

    from pyscf.dft import libxc
    from pyscf.scf.dispersion import parse_dft

    try:
        functional, _, dispersion = parse_dft(xc)
        libxc.parse_xc(functional)
    except (KeyError, ValueError, NotImplementedError) as error:
        raise UserError(
            f"PySCF knows no functional '{xc}' ({error}); write it as in PBE, B3LYP, wB97X-V, SCAN"
        ) from None
    if dispersion and find_spec("pyscf.dispersion") is None:
        raise UserError(f"the dispersion of {xc} needs one more package: pip install pyscf-dispersion")


def refuse_unconverged(calculation, what: str) -> None:
    """Raise UserError where an iteration of PySCF did not converge."""
    if not calculation.converged:
        raise UserError(
            f"{what} did not converge in {calculation.max_cycle} cycles; look at geometry, charge and spin, or raise "
            f"max_cycles"
        )


def _gradients(mean_field) -> NDArray:
    gradients = mean_field.nuc_grad_method()
    if hasattr(gradients, "grid_response"):
        gradients.grid_response = True  # else forces are no derivatives of the energy: 1e-3 eV/Å for water
    return gradients.kernel()


def _potentials(basis: str, symbols: set[str]) -> dict[str, str]:
    """The effective core potentials that belong to a basis, for the elements that have one."""
    from pyscf.gto import basis as bases

    return {symbol: basis for symbol in symbols if _loads(bases, basis, symbol, "load_ecp")}


def _loads(bases: ModuleType, basis: str, symbol: str, how: str = "load") -> bool:
    try:
        with warnings.catch_warnings(action="ignore"):  # that more bases can be installed
            return bool(getattr(bases, how)(basis, symbol))
    except Exception:  # what is raised depends on the version of PySCF
        return False
