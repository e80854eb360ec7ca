"""Elastic constants: springs have them in closed form, SNAP has those of LAMMPS, an unstable lattice fails."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, molecule
from lammps_runs import gathered, lammps_module, session, single_point
from matplotlib.figure import Figure

from cambrian.calculator import Calculator
from cambrian.classical.harmonic import Harmonic
from cambrian.classical.lennard_jones import LennardJones
from cambrian.data import Dataset, Structure
from cambrian.deploy.lammps_import import import_lammps
from cambrian.errors import UserError
from cambrian.label.ase import ASELabeller
from cambrian.math.truncation import EnergyShifted, Plain
from cambrian.units import GPA
from cambrian.validate.elastic_constants import ElasticConstants, averages, strained
from cambrian.validate.minimum import relaxed_with_cell

SNAP = Path(__file__).parents[3] / "shared" / "data" / "mlearn" / "published-potentials" / "Si" / "snap"
needs_snap = pytest.mark.skipif(not SNAP.is_dir(), reason="the shared data sets are not here")


def crystal(structure="fcc", a=5.3, **how):
    return Dataset([Structure(bulk("Ar", structure, a=a, **how))])


def lennard_jones(**how):
    return LennardJones(epsilon={"Ar": 0.0104}, sigma={"Ar": 3.4}, cutoff=6.0, **how)


def test_springs_of_an_fcc_crystal_have_the_constants_in_print():
    """C11 = 2k/a, C12 = C44 = k/a with force constant k between nearest neighbors at rest."""
    a, strength = 5.3, 1.5
    springs = Harmonic(strength=strength, distance=a / np.sqrt(2), cutoff=4.5, truncation=Plain())
    figures = ElasticConstants(strain=1e-4).run(springs, crystal(a=a)).figures
    k = 2 * strength
    assert figures["C11"] == pytest.approx(2 * k / a, rel=1e-6)
    for name in ("C12", "C13", "C44", "C55", "C66"):
        assert figures[name] == pytest.approx(k / a, rel=1e-6)
    assert abs(figures["C14"]) < 1e-9
    assert figures["bulk_modulus"] == pytest.approx(4 / 3 * k / a, rel=1e-6)
    assert figures["shear_modulus_voigt"] == pytest.approx(4 / 5 * k / a, rel=1e-6)
    assert figures["shear_modulus_reuss"] == pytest.approx(5 / 7 * k / a, rel=1e-6)


def test_an_isotropic_tensor_has_one_modulus_of_each_kind():
    bulk_modulus, shear = 0.6, 0.25
    lame = bulk_modulus - 2 / 3 * shear
    tensor = np.diag([2 * shear] * 3 + [shear] * 3)
    tensor[:3, :3] += lame
    found = averages(tensor)
    assert found["bulk_modulus_voigt"] == pytest.approx(bulk_modulus)
    assert found["bulk_modulus_reuss"] == pytest.approx(bulk_modulus)
    assert found["shear_modulus_reuss"] == pytest.approx(shear)
    assert found["poisson_ratio"] == pytest.approx(lame / (2 * (lame + shear)))


@needs_snap
@pytest.mark.parametrize("relax", [True, False], ids=["relaxed", "clamped"])
def test_silicon_by_snap_as_lammps_has_it(relax, tmp_path):
    """LAMMPS strains, minimizes and takes the pressure; atoms of diamond move under shear."""
    strain, n_steps = 1e-3, 500 if relax else 0
    figures = _of_silicon(strain=strain, n_steps=n_steps)
    start = bulk("Si", cubic=True, a=figures["a"])
    tensor, lines = np.zeros((6, 6)), _snap_lines(tmp_path)
    for column in range(6):
        plus, minus = (_lammps_stress(strained(start, column, s * strain), lines, relax) for s in (1, -1))
        tensor[:, column] = (plus - minus) / (2 * strain)
    for name, place in {"C11": (0, 0), "C12": (0, 1), "C44": (3, 3)}.items():
        assert figures[name] / GPA == pytest.approx(tensor[place] / GPA, abs=1e-3)


@needs_snap
def test_silicon_clamped_as_the_born_matrix_of_lammps(tmp_path):
    """Its second derivatives by its own differences of the virial, in a supercell."""
    figures = _of_silicon(strain=1e-3, n_steps=0)
    atoms = bulk("Si", cubic=True, a=figures["a"]).repeat(2)
    module = lammps_module()
    with session(atoms) as (lmp, _):
        lmp.commands_list(_snap_lines(tmp_path))
        lmp.command("compute virial all pressure NULL virial")
        lmp.command("compute born all born/matrix numdiff 1.0e-4 virial")
        lmp.command("thermo_style custom step c_born[1] c_born[4] c_born[7]")
        lmp.command("run 0 post no")
        born = lmp.numpy.extract_compute("born", module.LMP_STYLE_GLOBAL, module.LMP_TYPE_VECTOR)
        c11, c44, c12 = born[[0, 3, 6]] / atoms.get_volume()
    assert figures["C11"] == pytest.approx(c11, rel=1e-4)
    assert figures["C12"] == pytest.approx(c12, rel=1e-4)
    assert figures["C44"] == pytest.approx(c44, rel=1e-4)


def test_an_unstable_lattice_fails():
    """Lennard-Jones atoms do not stay in bcc: C11 < C12."""
    result = ElasticConstants().run(lennard_jones(), crystal("bcc", a=4.2))
    assert result.verdict == "failed"
    assert "(Born)" in result.sentence
    assert result.figures["C11"] < result.figures["C12"]


def test_a_method_gives_the_reference():
    """The same curve by ASE's own calculator passes; one of half the depth does not."""
    check, heard = ElasticConstants(relative=1e-3), []
    arguments = {"sigma": 3.4, "epsilon": 0.0104, "rc": 6.0}
    ours = lennard_jones(truncation=EnergyShifted())
    result = check.run(ours, crystal(), method=ASELabeller("lj", arguments=arguments), progress=heard.append)
    assert result.verdict == "passed", result.sentence
    assert result.reference["C44"] == pytest.approx(result.figures["C44"], rel=1e-6)
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(1.0)
    for draw in result.plots.values():
        draw(Figure().add_subplot())
    weaker = ASELabeller("lj", arguments=arguments | {"epsilon": 0.0052})
    assert check.run(ours, crystal(), method=weaker).verdict == "failed"


def test_known_values_say_their_unit():
    right = ElasticConstants().run(lennard_jones(), crystal()).figures["C11"]
    passed = ElasticConstants(known={"C11_GPa": right / GPA}).run(lennard_jones(), crystal())
    assert passed.verdict == "passed"
    assert passed.reference == {"C11": pytest.approx(right)}
    failed = ElasticConstants(known={"C11": 1.2 * right}).run(lennard_jones(), crystal())
    assert failed.verdict == "failed"
    assert "outside what is tolerated: C11" in failed.sentence
    with pytest.raises(UserError, match="did you mean 'C11'"):
        ElasticConstants(known={"C111_GPa": 1.0})


def test_where_there_is_no_lattice():
    check, water = ElasticConstants(), Dataset([Structure(molecule("H2O"))])
    assert "no lattice" in check.unsuited(lennard_jones(), water, None)
    assert "give a file" in check.unsuited(lennard_jones(), None, None)
    boxed = molecule("H2O", vacuum=6.0, pbc=True)
    assert "no lattice" in check.unsuited(lennard_jones(), Dataset([Structure(boxed)]), None)
    hot = Structure(bulk("Ar", cubic=True, a=5.3), forces=np.full((4, 3), 0.5))
    assert "at rest" in check.unsuited(lennard_jones(), Dataset([hot]), None)
    assert check.unsuited(lennard_jones(), crystal(), None) == ""
    with pytest.raises(UserError, match="no lattice"):
        check.run(lennard_jones(), water)


def _of_silicon(**how) -> dict:
    """Our figures, with the lattice constant that belongs to them."""
    start = Dataset([Structure(bulk("Si", cubic=True))])
    potential = import_lammps(SNAP)
    atoms = start[0].atoms.copy()
    atoms.calc = Calculator(potential)
    a = relaxed_with_cell(atoms, fmax=1e-5, n_steps=500).cell.lengths()[0]
    return ElasticConstants(fmax=1e-5, **how).run(potential, start).figures | {"a": float(a)}


def _snap_lines(folder: Path) -> list[str]:
    """Pair lines for LAMMPS, which no longer knows one of the words of the published file."""
    words = (SNAP / "SNAPotential.snapparam").read_text().splitlines()
    parameters = folder / "Si.snapparam"
    parameters.write_text("\n".join(line for line in words if "diagonalstyle" not in line) + "\n")
    return ["pair_style snap", f"pair_coeff * * {SNAP / 'SNAPotential.snapcoeff'} {parameters} Si"]


def _lammps_stress(atoms, lines: list[str], relax: bool):
    """Voigt stress in eV/Å³ of LAMMPS, after its own minimization."""
    atoms = atoms.copy()
    if relax:
        with session(atoms) as (lmp, frame):
            lmp.commands_list([*lines, "min_style cg", "minimize 0.0 1.0e-7 1000 10000"])
            atoms.positions = gathered(lmp, "x", len(atoms)) @ frame
    stress = single_point(atoms, lines).stress
    return stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
