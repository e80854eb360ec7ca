"""Reads POSCAR and INCAR as VASP does, computes with effective medium theory, writes vasprun.xml."""

import re
import sys
from pathlib import Path

import numpy as np
from ase.calculators.emt import EMT
from ase.io import read
from ase.units import GPa

ENERGY = """<energy><i name="e_fr_energy">{e:.10f}</i><i name="e_wo_entrp">{e:.10f}</i>
<i name="e_0_energy">{e:.10f}</i></energy>"""


def rows(values) -> str:
    return "".join(f"<v>{' '.join(f'{x:.10f}' for x in row)}</v>" for row in np.asarray(values))


def main(n_steps: int) -> None:
    atoms = read("POSCAR", format="vasp")
    atoms.calc = EMT()
    nelm = int(re.search(r"NELM = (\d+)", Path("INCAR").read_text())[1])
    energy = atoms.get_potential_energy(force_consistent=True)
    said = ENERGY.format(e=energy)
    place = f'<crystal><varray name="basis">{rows(atoms.cell.array)}</varray></crystal>'
    place += f'<varray name="positions">{rows(atoms.get_scaled_positions())}</varray>'
    symbols = atoms.get_chemical_symbols()
    kinds = list(dict.fromkeys(symbols))
    named = "".join(f"<rc><c>{s}</c><c>{kinds.index(s) + 1}</c></rc>" for s in symbols)
    Path("vasprun.xml").write_text(f"""<?xml version="1.0"?><modeling>
<incar><i type="int" name="NELM">{nelm}</i></incar>
<kpoints><varray name="kpointlist"><v>0 0 0</v></varray><varray name="weights"><v>1</v></varray></kpoints>
<parameters><separator name="electronic"><i type="int" name="NELM">{nelm}</i></separator></parameters>
<atominfo><atoms>{len(atoms)}</atoms><types>{len(kinds)}</types>
<array name="atoms"><set>{named}</set></array></atominfo>
<structure name="initialpos">{place}</structure>
<calculation>{f"<scstep>{said}</scstep>" * min(n_steps, nelm)}<structure>{place}</structure>
<varray name="forces">{rows(atoms.get_forces())}</varray>
<varray name="stress">{rows(-atoms.get_stress(voigt=False) / GPa * 10)}</varray>
{said}
</calculation></modeling>""")


main(int(sys.argv[1]))
