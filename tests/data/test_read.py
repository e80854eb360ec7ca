"""Reading and writing: against ASE's own reader, exact round trips, every alias, and every kind of bad input."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from cambrian import units
from cambrian.data import Dataset, read, write
from cambrian.data.unit_system import UnitSystem
from cambrian.errors import UserError

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not here")
SETS = [
    "mlearn/Si_test",
    "ethanol-botnet/test_H_removal",
    "fitsnap-Ta/Ta",
    "TiAl/TiAl_tutorial",
    "spice-dipeptides/dipolar_val",
    "charged-states/Ag3_train",
    "4g-Au2-MgO-Al/Au2_MgO_Al",
]
WATER = """3
Properties=species:S:1:pos:R:3:{columns} {pairs}
O 0.0 0.0 0.1 {o}
H 0.0 0.76 -0.47 {h}
H 0.0 -0.76 -0.47 {h}
"""


def place(tmp_path, text: str, name: str = "a.extxyz") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def water(pairs: str, columns: str = "forces:R:3", row: str = "0.1 0.2 0.3") -> str:
    return WATER.format(columns=columns, pairs=pairs, o=row, h=row)


def same(a, b) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b, equal_nan=True)


@needs_data
@pytest.mark.parametrize("name", SETS)
def test_agrees_with_ase(name):
    path = DATA / f"{name}.extxyz"
    images, data = ase.io.read(path, ":"), read(path)
    assert len(images) == len(data)
    for atoms, s in zip(images, data, strict=True):
        results = atoms.calc.results
        assert np.array_equal(atoms.numbers, s.atoms.numbers)
        assert np.array_equal(atoms.positions, s.atoms.positions)
        assert np.array_equal(atoms.cell.array, s.atoms.cell.array)
        assert np.array_equal(atoms.pbc, s.atoms.pbc)
        assert s.energy == results["energy"]
        assert same(results.get("forces"), s.forces)
        assert same(results.get("dipole"), s.dipole)
        if "stress" in results:
            assert np.allclose(atoms.get_stress(voigt=False), s.stress, rtol=1e-14, atol=0)
        if s.charges is not None:
            assert np.array_equal(results.get("charges", atoms.get_initial_charges()), s.charges)


@needs_data
@pytest.mark.parametrize("name", SETS)
def test_round_trip_is_exact(name, tmp_path):
    first = read(DATA / f"{name}.extxyz")[:200]
    write(tmp_path / "again.extxyz", first)
    second = read(tmp_path / "again.extxyz")
    assert second.hash == first.hash
    assert second.groups == first.groups
    for a, b in zip(first, second, strict=True):
        assert all(
            same(getattr(a, k), getattr(b, k))
            for k in ("energy", "forces", "stress", "charges", "dipole", "total_charge")
        )
        assert set(a.atoms.arrays) == set(b.atoms.arrays)
        assert (b.source, b.frame) == (str(tmp_path / "again.extxyz"), a.frame)
    back = ase.io.read(tmp_path / "again.extxyz", ":")  # and ASE finds the labels where it expects them
    assert [atoms.get_potential_energy() for atoms in back] == [s.energy for s in first]


ENERGY_KEYS = ["energy", "REF_energy", "dft_energy", "Energy", "free_energy", "TotEnergy", "total_energy", "E_tot"]


@pytest.mark.parametrize("key", ENERGY_KEYS)
@pytest.mark.parametrize("forces", ["forces", "force", "REF_forces", "dft_forces"])
def test_aliases(tmp_path, key, forces):
    (s,) = read(place(tmp_path, water(f"{key}=-14.2", columns=f"{forces}:R:3")))
    assert s.energy == -14.2
    assert np.array_equal(s.forces, np.tile([0.1, 0.2, 0.3], (3, 1)))
    assert not set(s.atoms.info) & {key}
    assert forces not in s.atoms.arrays


def test_other_aliases(tmp_path):
    pairs = "energy=-1 total_charge=-1 multiplicity=3 config_type=ion level_of_theory=PBE0 "
    pairs += 'energy_weight=2 forces_weight=3 dipole="1 2 3"'
    (s,) = read(place(tmp_path, water(pairs, columns="REF_charges:R:1", row="-0.5")))
    assert (s.total_charge, s.spin, s.group, s.level) == (-1.0, 2.0, "ion", "PBE0")
    assert s.weights == {"energy": 2.0, "force": 3.0}
    assert np.array_equal(s.charges, [-0.5] * 3)
    assert np.array_equal(s.dipole, [1, 2, 3])


def crystal_text(pairs: str) -> str:
    return f'1\nLattice="2 0 0 0 3 0 0 0 4" Properties=species:S:1:pos:R:3 energy=-1 {pairs}\nCu 0 0 0\n'


VOIGT = "1 2 3 4 5 6"  # xx yy zz yz xz xy
FULL = np.array([[1.0, 6, 5], [6, 2, 4], [5, 4, 3]])


@pytest.mark.parametrize(
    ("pairs", "stress"),
    [
        (f'stress="{VOIGT}"', FULL),
        ('stress="1 6 5 6 2 4 5 4 3"', FULL),
        ('REF_stress="[[1, 6, 5], [6, 2, 4], [5, 4, 3]]"', FULL),
        ('stress="_JSON [[1, 6, 5], [6, 2, 4], [5, 4, 3]]"', FULL),
        (f'virial="{VOIGT}"', -FULL / 24),
        ('virials="1 6 5 6 2 4 5 4 3"', -FULL / 24),
        ("dft_virial={1 6 5 6 2 4 5 4 3}", -FULL / 24),
    ],
)
def test_stress_and_virial(tmp_path, pairs, stress):
    (s,) = read(place(tmp_path, crystal_text(pairs)))
    assert np.allclose(s.stress, stress, rtol=1e-15)


def test_stress_of_a_molecule_is_left_out_and_said_so(tmp_path):
    data = read(place(tmp_path, water(f'energy=-1 stress="{VOIGT}"')))
    assert data[0].stress is None
    assert "left out the stress of 1 frames" in data.notes[0]


def test_two_energies_are_reported(tmp_path):
    path = place(tmp_path, water("energy=-14.2 REF_energy=-14.0"))
    data = read(path)
    assert data[0].energy == -14.0
    assert "took 'REF_energy', passed over 'energy'; choose with energy_key" in data.notes[0]
    assert data[0].forces is None  # the plain forces belong to the other family
    assert read(path, energy_key="energy", forces_key="forces")[0].energy == -14.2
    assert read(path, energy_key="energy").notes == ()


def test_the_same_energy_twice_is_no_ambiguity(tmp_path):
    assert read(place(tmp_path, water("energy=-14.2 free_energy=-14.2"))).notes == ()


def test_free_energy_comes_first(tmp_path):
    data = read(place(tmp_path, water("energy=-14.2 free_energy=-14.3")))
    assert data[0].energy == -14.3
    assert "took 'free_energy'" in data.notes[0]
    assert data[0].forces is not None


def test_unknown_key_is_refused_with_those_that_exist(tmp_path):
    with pytest.raises(UserError, match=r"no frame has the key 'E0' for energy; its keys are energy, forces"):
        read(place(tmp_path, water("energy=-1")), energy_key="E0")


def test_several_files_and_patterns(tmp_path):
    for k in (2, 1):
        place(tmp_path, water(f"energy=-{k}"), name=f"run{k}.xyz")
    assert [s.energy for s in read(f"{tmp_path}/run*.xyz")] == [-1, -2]
    data = read(tmp_path / "run2.xyz", tmp_path / "run1.xyz")
    assert [(Path(s.source).name, s.frame) for s in data] == [("run2.xyz", 0), ("run1.xyz", 0)]


def test_units(tmp_path):
    path = place(
        tmp_path,
        crystal_text('stress="1e-3 0 0 0 0 0"')
        .replace("pos:R:3", "pos:R:3:forces:R:3")
        .replace("Cu 0 0 0", "Cu 1 0 0 1 1 1"),
    )
    (s,) = read(path, units="Hartree, bohr")
    assert s.energy == -units.HARTREE
    assert s.atoms.positions[0, 0] == units.BOHR
    assert s.atoms.cell[0, 0] == pytest.approx(2 * units.BOHR)
    assert s.forces[0, 0] == pytest.approx(units.HARTREE / units.BOHR)
    assert s.stress[0, 0] == pytest.approx(1e-3 * units.HARTREE / units.BOHR**3)
    assert read(path, units="eV, Å, -kbar")[0].stress[0, 0] == pytest.approx(-1e-3 / 1602.176634)
    assert read(path, units="kcal/mol")[0].forces[0, 0] == pytest.approx(1 / 23.060547830619)
    assert UnitSystem.parse("Hartree, Å").length == 1
    with pytest.raises(UserError, match="'furlong' is no unit"):
        read(path, units="eV, furlong")


def test_levels_of_theory(tmp_path):
    path = place(
        tmp_path, water("energy=-1 level_of_theory=PBE") + water("energy=-2 level_of_theory=CCSD") + water("energy=-3")
    )
    with pytest.raises(UserError, match=r"several levels of theory: CCSD \(1\), PBE \(1\)"):
        read(path)
    assert len(read(path, mix_levels=True)) == 3
    data = read(path, level="PBE")
    assert [s.energy for s in data] == [-1, -3]
    assert "left out 1 structures" in data.notes[0]
    with pytest.raises(UserError, match="no structure is of the level"):
        read(place(tmp_path, water("energy=-1 level_of_theory=PBE")), level="HF")


def test_constraints_do_not_touch_forces(tmp_path):
    atoms = bulk("Cu", cubic=True)
    atoms.set_constraint(FixAtoms([0]))
    forces = np.arange(12.0).reshape(4, 3) + 1
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, free_energy=-1.5, forces=forces, stress=np.arange(6.0))
    ase.io.write(tmp_path / "a.traj", atoms)
    ase.io.write(tmp_path / "a.db", atoms)
    for name in ("a.traj", "a.db"):
        (s,) = read(tmp_path / name)
        assert s.energy == -1.5
        assert np.array_equal(s.forces, forces)
        assert s.stress[1, 2] == 3
        assert s.atoms.constraints == []
        assert s.atoms.arrays["move_mask"].tolist() == [False, True, True, True]


def test_compressed_and_plain_xyz(tmp_path):
    import gzip

    with gzip.open(tmp_path / "a.xyz.gz", "wt") as file:
        file.write(water("energy=-1"))
    assert len(read(tmp_path / "a.xyz.gz")) == 1
    data = read(place(tmp_path, "2\n\nH 0 0 0\nH 0 0 1\n\n"), labelled=False)
    assert not data[0].has_energy
    assert not data[0].atoms.pbc.any()


def test_strange_but_valid_text(tmp_path):
    lattice, properties = "Lattice = '9 0 0 0 9 0 0 0 9'", "Properties=pos:R:3:species:S:1:ok:L:1"
    text = f'1\n {lattice} {properties} pbc="T T F" energy=-1.5 note="a \\"b\\" c"\n0 1D-1 2 si T\n'
    (s,) = read(place(tmp_path, text))
    assert s.atoms.numbers.tolist() == [14]
    assert s.atoms.positions.tolist() == [[0, 0.1, 2]]
    assert s.atoms.pbc.tolist() == [True, True, False]
    assert s.atoms.info == {"note": 'a "b" c'}
    assert s.atoms.arrays["ok"].tolist() == [True]
    write(tmp_path / "b.xyz", [s])
    (again,) = read(tmp_path / "b.xyz")
    assert again.atoms.info == s.atoms.info


GOOD = water("energy=-1")
BAD = {
    "empty file": ("", "the file is empty"),
    "only blank lines": ("\n\n", "holds no structure"),
    "count": (GOOD + "three\n", r"frame 1: expected a number of atoms but found 'three'"),
    "cut short": (GOOD + "\n".join(GOOD.split("\n")[:4]) + "\n", "frame 1: the file ends after 2 of 3 atoms"),
    "few columns": (GOOD + GOOD.replace("0.0 0.0 0.1 0.1 0.2 0.3", "0.0 0.0 0.1 0.1"), "frame 1: atom 0 has 5 columns"),
    "text for number": (GOOD.replace("-0.47", "zero", 1), "frame 0: atom 1 has 'zero' where a number"),
    "stars": (GOOD.replace("-0.47", "******", 1), "field was too narrow"),
    "element": (GOOD.replace("O 0", "Qx 0"), "atom 0 is a 'Qx'"),
    "lattice": (GOOD.replace("energy", 'Lattice="1 2 3" energy'), "Lattice is not nine numbers"),
    "properties": (GOOD.replace("pos:R:3", "pos:Q:3"), "is not a list NAME:TYPE:COLUMNS"),
    "no energies": (GOOD.replace("energy", "my_energy"), "is it one of my_energy.*energy_key"),
    "no labels": ("1\n\nH 0 0 0\n", "no structure has an energy"),
    "NaN energy": (GOOD + water("energy=nan"), r"frame 1: the energy \(key energy\) is not a finite number"),
    "NaN force": (GOOD.replace("0.1 0.2 0.3", "0.1 nan 0.3", 1), "frame 0: the forces of atom 0"),
    "NaN position": (GOOD.replace("0.76", "nan", 1), "frame 0: the position of atom 1"),
    "force shape": (water("energy=-1", columns="forces:R:2", row="1 2"), "forces .* have the shape 3 x 2, not 3 x 3"),
    "one place": (GOOD.replace("0.76", "-0.76", 1), r"frame 0: atoms 1 \(H\) and 2 \(H\) are at one place"),
    "flat cell": (GOOD.replace("energy", 'Lattice="9 0 0 0 9 0 9 9 0" energy'), "the cell is flat"),
    "absurd energy": (GOOD.replace("=-1", "=-1e12"), "no calculation gives; check the units"),
    "absurd force": (GOOD.replace("0.1 0.2 0.3", "0.1 1e9 0.3", 1), "forces .* no calculation gives"),
    "text energy": (GOOD.replace("=-1", "=low"), "energy 'low' .* is not a number"),
    "stress shape": (crystal_text('stress="1 2 3"'), "is not 6 numbers"),
    "negative weight": (GOOD.replace("energy", "force_weight=-1 energy"), "weight is negative"),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_input(tmp_path, fault):
    text, message = BAD[fault]
    path = place(tmp_path, text)
    with pytest.raises(UserError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))


def test_other_bad_input(tmp_path):
    with pytest.raises(UserError, match="no file is there"):
        read(tmp_path / "nothing.xyz")
    with pytest.raises(UserError, match="no file matches"):
        read(f"{tmp_path}/*.xyz")
    with pytest.raises(UserError, match="no file was named"):
        read()
    with pytest.raises(UserError, match="no reader knows"):
        read(place(tmp_path, "hello", name="a.unknown"))
    with pytest.raises(UserError, match="there is no format 'xyzzy'"):
        read(place(tmp_path, GOOD), format="xyzzy")
    with pytest.raises(UserError, match="ASE cannot read this file"):
        read(place(tmp_path, "<?xml version='1.0'?><modeling>", name="vasprun.xml"))


def test_bad_frames_can_be_left_out_but_never_silently(tmp_path):
    data = read(place(tmp_path, GOOD + water("energy=nan") + GOOD), skip_bad=True)
    assert [s.frame for s in data] == [0, 2]
    assert "left out 1 of 3 frames" in data.notes[0]
    assert "frame 1: the energy" in data.notes[0]


def test_write_refuses_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write(tmp_path / "file" / "out.extxyz", Dataset([]))
    with pytest.raises(UserError, match="no reader knows|not written"):
        write(tmp_path / "out.cif", Dataset([]))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_structures_made_in_memory_are_written(tmp_path):
    from cambrian.data import Structure

    atoms: Atoms = molecule("CH3OH")
    s = Structure(
        atoms,
        energy=-1 / 3,
        forces=np.full((6, 3), 1e-17),
        total_charge=1.0,
        spin=1.0,
        group="a b",
        weights={"energy": 0.1},
    )
    write(tmp_path / "a.extxyz", [s])
    (again,) = read(tmp_path / "a.extxyz")
    for name in ("energy", "total_charge", "spin", "group", "weights"):
        assert getattr(again, name) == getattr(s, name)
    assert np.array_equal(again.forces, s.forces)
