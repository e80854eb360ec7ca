"""Energy of every pair of elements over their distance: repulsion, no hole, no jump.

Dynamics at high temperature finds whatever a potential hides between its data: an attraction at short range in which
two atoms fuse, a hole deeper than any bond, a jump where the cutoff ends.

    jump of the energy      ΔE + ½ (F₁ + F₂) Δr as Δr → 0          jump of the force      F₂ - F₁ as Δr → 0
"""

from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from cambrian.calculator import calculator_for
from cambrian.contracts.check import Check, Result
from cambrian.contracts.labeller import Labeller
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.elements import number, symbol
from cambrian.errors import UserError
from cambrian.validate.comparison import ANGSTROM, EV, Measured, Progress, both_sides, judged

CORE = 0.5  # of the sum of covalent radii: no bond is that short
BISECTIONS = 20  # an interval of 0.1 Å becomes one of 1e-7 Å
REACHED = 20.0  # eV above the separated atoms: as far as curves are searched for jumps
MODERATE = 5.0  # eV above the separated atoms: as far as a curve is compared with that of the method
UNITS = {
    "depth": EV,
    "distance": ANGSTROM,
    "energy_jump": EV,
    "energy_jump_at": ANGSTROM,
    "force_jump": (1.0, "eV/Å"),
    "force_jump_at": ANGSTROM,
    "error": EV,
}


@dataclass(frozen=True)
class Curve:
    """Energy (points,) in eV over the distance (points,) in Å, zero at the largest; `force` pushes apart, eV/Å.

    NaN where a method fails; then it is zero at the largest distance where it does not.
    """

    distance: NDArray
    energy: NDArray
    force: NDArray


class Dimers(Check):
    """Two atoms of each pair of `elements` (by default those of the potential), from 0.3 bond lengths to the cutoff.

    They must repel each other below half a bond length (the sum of the covalent radii), be nowhere bound by more than
    `deepest` eV, and energy and force must not jump by more than `energy_jump` eV and `force_jump` eV/Å. The
    difference from a reference method (root mean square, where it says less than 5 eV) is told, and judged where
    `energy` eV says what is tolerated: few data hold two atoms alone.
    """

    def __init__(
        self,
        *,
        elements: list[str] | None = None,
        n_points: int = 120,
        deepest: float = 12.0,
        energy_jump: float = 1e-4,
        force_jump: float = 1e-3,
        energy: float | None = None,
    ):
        if n_points < 20:
            raise UserError("a curve needs n_points of at least 20")
        self.numbers = None if elements is None else sorted({number(e) for e in elements})
        self.n_points, self.deepest, self.energy = n_points, deepest, energy
        self.energy_jump, self.force_jump = energy_jump, force_jump

    def unsuited(self, potential: Potential, reference: Dataset | None, method: Labeller | None) -> str:
        """For a potential of whole molecules, and without elements."""
        if not potential.extensive:
            return "this potential knows one whole molecule, and says nothing of two atoms alone"
        return "" if self._numbers(potential, reference) else "name the elements with `elements`, or give a file"

    def run(
        self,
        potential: Potential,
        reference: Dataset | None = None,
        *,
        method: Labeller | None = None,
        progress: Progress = lambda fraction: None,
    ) -> Result:
        """Scan every pair; raises UserError where there are no elements."""
        reason = self.unsuited(potential, reference, method)
        if reason:
            raise UserError(reason)
        pairs = list(combinations_with_replacement(self._numbers(potential, reference), 2))
        found, by_method = both_sides(partial(self._measure, pairs, potential), potential, method, progress)
        expected, tolerance = {}, {}
        other = {} if by_method is None else by_method.curves
        for name, curve in other.items():
            found.figures[f"{name}_error"] = difference(found.curves[name], curve)
            if self.energy is not None:
                expected[f"{name}_error"], tolerance[f"{name}_error"] = 0.0, self.energy
        said = f"{len(pairs)} pairs" if len(pairs) > 1 else "1 pair"
        said += (
            f" repel{'' if len(pairs) > 1 else 's'} at short range, without a hole or a jump"
            if not found.faults
            else " of elements"
        )
        lacking = [] if by_method is None else [n for n in found.curves if n not in other]
        said += f" (the method fails for {', '.join(lacking)})" if lacking else ""
        plots = {f"dimer_{n}": partial(_draw, name=n, found=c, expected=other.get(n)) for n, c in found.curves.items()}
        units = {name: UNITS[name.split("_", 1)[1]] for name in found.figures}
        return judged("dimers", said, found, expected, tolerance, units=units, plots=plots)

    def _numbers(self, potential: Potential, reference: Dataset | None) -> list[int]:
        if self.numbers is not None:
            return self.numbers
        return potential.elements.tolist() or list(() if reference is None else reference.numbers)

    def _measure(self, pairs: list, potential: Potential, driver: Potential | Labeller, progress: Progress) -> Measured:
        measured = Measured({})
        for k, (a, b) in enumerate(pairs):
            name, bond = f"{symbol(a)}-{symbol(b)}", float(covalent_radii[[a, b]].sum())
            dimer = _Dimer(a, b, driver, fails=isinstance(driver, Labeller))
            # evenly spaced in 1/r, since curves are steep where atoms are near
            r = 1 / np.linspace(1 / (0.3 * bond), 1 / max(1.02 * potential.cutoff, 2 * bond), self.n_points)
            curve = dimer.curve(r)
            progress((k + 1) / len(pairs))
            if not np.isfinite(curve.energy).any():
                continue
            measured.curves[name] = curve
            measured.figures |= {f"{name}_{key}": value for key, value in features(curve).items()}
            if isinstance(driver, Potential):
                jumps = dimer.jumps(curve, [term.cutoff for term in potential.terms()], CORE * bond)
                measured.figures |= {f"{name}_{key}": value for key, value in jumps.items()}
                measured.faults += [f"{name}: {fault}" for fault in self._faults(curve, jumps, bond)]
        return measured

    def _faults(self, curve: Curve, jumps: dict[str, float], bond: float) -> list[str]:
        core, faults = curve.distance < CORE * bond, []
        attracted = core & (curve.force <= 0)
        if attracted.any():
            faults.append(f"no repulsion at {curve.distance[attracted].max():.2f} Å")
        lowest = int(np.nanargmin(curve.energy))
        if curve.energy[lowest] < -self.deepest:
            faults.append(f"a hole of {-curve.energy[lowest]:.1f} eV at {curve.distance[lowest]:.2f} Å")
        for kind, limit, unit in (("energy", self.energy_jump, "eV"), ("force", self.force_jump, "eV/Å")):
            if jumps[f"{kind}_jump"] > limit:
                place = jumps[f"{kind}_jump_at"]
                faults.append(f"the {kind} jumps by {jumps[f'{kind}_jump']:.2g} {unit} at {place:.3f} Å")
        return faults

    @classmethod
    def example(cls) -> "Dimers":
        """Few points."""
        return cls(n_points=20)


class _Dimer:
    """Two atoms with a calculator; a method that `fails` somewhere leaves NaN there."""

    def __init__(self, a: int, b: int, driver: Potential | Labeller, *, fails: bool):
        self.atoms = Atoms([a, b], np.zeros((2, 3)))
        self.atoms.info["spin"] = (a + b) % 2
        self.atoms.calc, self.fails = calculator_for(driver, self.atoms), fails

    def at(self, r: float) -> tuple[float, float]:
        """Energy, and the force that pushes the atoms apart."""
        self.atoms.positions[1, 0] = r
        try:
            return float(self.atoms.get_potential_energy()), float(self.atoms.get_forces()[1, 0])
        except Exception:  # no self-consistency between atoms too near: each program says so in its own way
            if not self.fails:
                raise
            return np.nan, np.nan

    def curve(self, distance: NDArray) -> Curve:
        """Energies from the largest distance."""
        energy, force = np.array([self.at(r) for r in distance]).T
        known = energy[np.isfinite(energy)]
        return Curve(distance, energy - (known[-1] if len(known) else np.nan), force)

    def jumps(self, curve: Curve, cutoffs: list[float], core: float) -> dict[str, float]:
        """The largest jump of energy (eV) and force (eV/Å) outside the core, and where.

        At each cutoff, and where the curve looks least smooth: an interval is halved many times towards its rougher
        half, which makes a curve straight and leaves a jump as it is.
        """
        r, worst = curve.distance, {"energy_jump": 0.0, "force_jump": 0.0}
        worst |= {"energy_jump_at": float(r[-1]), "force_jump_at": float(r[-1])}
        rough = {
            "energy": np.abs(np.diff(curve.energy) + 0.5 * (curve.force[1:] + curve.force[:-1]) * np.diff(r)),
            "force": np.abs(np.diff(curve.force, n=2, append=0.0)),
        }
        reached = (r > core) & (curve.energy < REACHED)
        for kind, values in rough.items():
            places = [(r[max(k - 1, 0)], r[min(k + 2, len(r) - 1)]) for k in _roughest(values, reached[:-1])]
            places += [(c - 1e-4, c + 1e-4) for c in cutoffs if c > core]
            for low, high in places:
                where, size = self._bisected(kind, float(low), float(high))
                if size > worst[f"{kind}_jump"]:
                    worst |= {f"{kind}_jump": size, f"{kind}_jump_at": where}
        return worst

    def _bisected(self, kind: str, low: float, high: float) -> tuple[float, float]:
        """Where the interval shrinks to, and the defect that is left when its width is nothing."""
        ends = {r: self.at(r) for r in (low, high)}

        def defect(a: float, b: float) -> float:
            (e1, f1), (e2, f2) = ends[a], ends[b]
            return abs(e2 - e1 + 0.5 * (f1 + f2) * (b - a)) if kind == "energy" else abs(f2 - f1)

        before = 0.0
        for _ in range(BISECTIONS):
            before, middle = defect(low, high), 0.5 * (low + high)
            ends[middle] = self.at(middle)
            low, high = (low, middle) if defect(low, middle) > defect(middle, high) else (middle, high)
        return low, max(2 * defect(low, high) - before, 0.0)  # a slope halves with its interval, a jump does not


def _roughest(values: NDArray, reached: NDArray) -> list[int]:
    """Where values are largest, and where they stand out most from those beside them."""
    beside = np.pad(values, 3, mode="edge")
    standing_out = values / (np.maximum(beside[:-6], beside[6:]) + 1e-12)
    return sorted({int(np.where(reached, v, 0).argmax()) for v in (values, standing_out)})


def features(curve: Curve) -> dict[str, float]:
    """Depth (eV) and place (Å) of the minimum."""
    lowest = int(np.nanargmin(curve.energy))
    return {"depth": -float(curve.energy[lowest]), "distance": float(curve.distance[lowest])}


def difference(found: Curve, expected: Curve) -> float:
    """Root mean square difference in eV where the expected curve is moderate, both zero at the end of that one."""
    known = np.isfinite(expected.energy)
    kept = known & (expected.energy < MODERATE)
    energy = found.energy - found.energy[np.nonzero(known)[0][-1]]
    return float(np.sqrt(np.mean((energy - expected.energy)[kept] ** 2)))


def _draw(axes, name: str, found: Curve, expected: Curve | None) -> None:
    if expected is not None:
        axes.plot(expected.distance, expected.energy, color="0.5", label="reference")
    axes.plot(found.distance, found.energy, label="potential")
    low = min(float(np.nanmin(c.energy)) for c in (found, expected) if c is not None)
    axes.set_ylim(1.2 * low - 0.1, max(MODERATE, -2 * low))
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set_xlabel(f"{name} distance, Å")
    axes.set_ylabel("energy, eV")
    axes.legend()
