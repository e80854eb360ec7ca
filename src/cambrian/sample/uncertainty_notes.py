"""Tells at each recorded frame of a run how sure the potential is: pass it to `Dynamics.run` as `observe`.

`energy_std` (eV) stands in the frame's info, `forces_std` (atoms,) in its arrays: eV/Å, contracts/spread.py.
"""

from ase import Atoms

from cambrian.contracts.engine import spread_of
from cambrian.contracts.potential import Potential
from cambrian.contracts.spread import refuse_certain
from cambrian.data.labelling import charge_and_spin
from cambrian.graph import graph_of


class UncertaintyNotes:
    """Notes σ of energy and forces; `mean` and `largest` are those of the forces over all frames, eV/Å.

    Raises UserError for a potential that tells no uncertainty.
    """

    def __init__(self, potential: Potential):
        refuse_certain(potential)
        self.potential, self.spread = potential, spread_of(potential)
        self.n_frames, self.mean, self.largest = 0, 0.0, 0.0

    def __call__(self, atoms: Atoms) -> None:
        """Note it of the frame that is about to be recorded."""
        total_charge, spin = charge_and_spin(atoms.info)
        found = self.spread(graph_of(atoms, self.potential.cutoff, total_charge=total_charge, spin=spin))
        forces = found.forces.detach().cpu().numpy()
        atoms.info["energy_std"] = float(found.energy[0])
        atoms.arrays["forces_std"] = forces
        self.n_frames += 1
        self.mean += (float(forces.mean()) - self.mean) / self.n_frames
        self.largest = max(self.largest, float(forces.max(initial=0.0)))
