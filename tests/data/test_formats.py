"""Formats beside extended XYZ: the shared sets were converted by other hands, so both ways must meet."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from cambrian import units
from cambrian.data import Dataset, Structure, read, write
from cambrian.data.formats import formats
from cambrian.data.formats.vasp import steps_in_outcar
from cambrian.data.frame import Format, Frame
from cambrian.errors import UserError

DATA = Path(__file__).parents[3] / "shared" / "data"
N2P2 = DATA / "n2p2-reference"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not here")


def labelled(n: int = 3, *, periodic: bool = True, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    found = []
    for k in range(n):
        atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
        atoms.rattle(0.1, seed=k)
        if not periodic:
            atoms.pbc, atoms.cell = False, np.zeros((3, 3))
        stress = rng.normal(size=(3, 3))
        found.append(
            Structure(
                atoms,
                energy=rng.normal(),
                forces=rng.normal(size=(8, 3)),
                stress=(stress + stress.T) / 2 if periodic else None,
                charges=rng.normal(size=8),
                frame=k,
            )
        )
    return Dataset(found)


def meet(a: Structure, b: Structure, *labels: str, rtol: float = 1e-12) -> None:
    assert np.array_equal(a.atoms.numbers, b.atoms.numbers)
    assert np.array_equal(a.atoms.pbc, b.atoms.pbc)
    assert np.allclose(a.atoms.positions, b.atoms.positions, rtol=rtol, atol=1e-12)
    assert np.allclose(a.atoms.cell.array, b.atoms.cell.array, rtol=rtol, atol=1e-12)
    for label in labels:
        assert np.allclose(getattr(a, label), getattr(b, label), rtol=rtol, atol=1e-12), label


def test_the_folder_is_the_catalogue():
    assert {"extxyz", "ase", "n2p2", "fitsnap", "deepmd", "npz", "vasp"} <= {f.name for f in formats()}
    assert all(isinstance(f, Format) and f.__doc__ for f in formats())


@needs_data
@pytest.mark.parametrize(
    ("file", "converted", "unit"),
    [
        ("nnp-train/Carbon_chain_4G", "4g-carbon-chain/carbon_chain", None),
        ("nnp-train/AlAuMgO_4G", "4g-Au2-MgO-Al/Au2_MgO_Al", None),
        ("nnp-train/Cu2S_PBE", "Cu2S/Cu2S_PBE", "eV"),
    ],
)
def test_n2p2_meets_the_converted_sets(file, converted, unit):
    ours, others = read(N2P2 / file / "input.data", units=unit), read(DATA / f"{converted}.extxyz")
    by_energy = {round(s.energy, 6): s for s in ours}
    found = 0
    for other in others:
        s = by_energy.get(round(other.energy, 6))
        if s is not None:
            found += 1  # the converted files carry eight digits
            assert np.allclose(s.atoms.positions, other.atoms.positions, atol=1e-7)
            assert np.allclose(s.forces, other.forces, atol=1e-7)
            assert s.total_charge == pytest.approx(other.total_charge, abs=1e-6)
            assert (s.charges is None) == (other.charges is None)
    assert found == min(len(ours), len(others))


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("unit", [None, "eV"])
def test_n2p2_round_trip(tmp_path, periodic, unit):
    data = labelled(periodic=periodic)
    write(tmp_path / "input.data", data, units=unit)
    for a, b in zip(data, read(tmp_path / "input.data", units=unit), strict=True):
        meet(a, b, "energy", "forces", "charges")
        assert b.stress is None


BLOCK = "begin\nlattice 9 0 0\nlattice 0 9 0\nlattice 0 0 9\natom 0 0 0 H 0 0 0 0 0\nenergy -1\ncharge 0\nend\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BLOCK + BLOCK.replace("end\n", ""), "frame 1: the file ends before 'end'"),
        (BLOCK.replace("end\n", "") + BLOCK, "frame 0: a second 'begin'"),
        ("end\n", "an 'end' without 'begin'"),
        (BLOCK.replace("lattice 0 9 0\n", ""), "1 atoms and 2 lattice vectors"),
        (BLOCK.replace("H", "Qq"), "frame 0, atom 0: 'Qq' is no chemical element"),
        (BLOCK.replace("H 0 0 0 0 0", "H 0 0"), "is incomplete or holds no number"),
        (BLOCK.replace("energy -1", "energy none"), "is incomplete or holds no number"),
    ],
)
def test_broken_n2p2(tmp_path, text, message):
    (tmp_path / "input.data").write_text(text)
    with pytest.raises(UserError, match=message):
        read(tmp_path / "input.data")


@pytest.mark.parametrize("periodic", [True, False])
def test_deepmd_round_trip(tmp_path, periodic):
    data = labelled(periodic=periodic)
    write(tmp_path / "out", data, format="deepmd")
    again = read(tmp_path / "out")
    assert len(again) == len(data)
    for a, b in zip(data, again, strict=True):
        meet(a, b, "energy", "forces", *(["stress"] if periodic else []), rtol=1e-10)
        assert "set.000" in b.source


def test_deepmd_virial_is_minus_volume_times_stress(tmp_path):
    s = labelled(1)[0]
    write(tmp_path / "out", [s], format="deepmd")
    (file,) = (tmp_path / "out").rglob("virial.npy")
    assert np.allclose(np.load(file)[0].reshape(3, 3), -s.stress * s.atoms.get_volume())


def test_deepmd_mixed_types_and_faults(tmp_path):
    part = tmp_path / "set.000"
    part.mkdir()
    np.savetxt(tmp_path / "type.raw", [0, 0], fmt="%d")
    np.save(part / "coord.npy", np.array([[0, 0, 0, 0, 0, 1.0], [0, 0, 0, 0, 0, 1.2]]))
    np.save(part / "energy.npy", np.array([-1.0, -2.0]))
    np.save(part / "real_atom_types.npy", np.array([[0, 1], [1, 1]]))
    (tmp_path / "nopbc").touch()
    with pytest.raises(UserError, match=r"type_map.raw is missing"):
        read(tmp_path)
    (tmp_path / "type_map.raw").write_text("H\nO\n")
    assert [s.atoms.get_chemical_formula() for s in read(tmp_path)] == ["HO", "O2"]
    np.save(part / "coord.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="not an array of numbers"):
        read(tmp_path)


def test_fitsnap(tmp_path):
    s = labelled(1)[0]
    entry = {
        "NumAtoms": len(s),
        "Positions": s.atoms.positions.tolist(),
        "AtomTypes": s.atoms.get_chemical_symbols(),
        "Lattice": s.atoms.cell.array.tolist(),
        "Energy": s.energy,
        "Forces": s.forces.tolist(),
        "Stress": (-s.stress / units.BAR).tolist(),
    }
    for group in ("Elastic", "Liquid"):
        (tmp_path / group).mkdir()
        text = json.dumps({"Dataset": {"Data": [entry], "StressStyle": "bar", "PositionsStyle": "angstrom"}})
        (tmp_path / group / "a_1.json").write_text(f"# {group}\n{text}")
    data = read(tmp_path)
    assert data.groups == ("Elastic", "Liquid")
    for found in data:
        meet(s, found, "energy", "forces", "stress")
    assert read(tmp_path / "Liquid" / "a_1.json")[0].group == "Liquid"
    (tmp_path / "Liquid" / "a_2.json").write_text('{"Dataset": {"Data": [')
    with pytest.raises(UserError, match=r"a_2.json: not the JSON of FitSNAP"):
        read(tmp_path)
    (tmp_path / "Liquid" / "a_2.json").write_text(json.dumps({"Dataset": {"Data": [{"Energy": 1}]}}))
    with pytest.raises(UserError, match=r"a_2.json, frame 0: KeyError"):
        read(tmp_path)


@needs_data
@pytest.mark.parametrize("names", [("z", "R", "E", "F"), ("nuclear_charges", "coords", "energies", "forces")])
def test_npz(tmp_path, names):
    data = read(DATA / "ethanol-ccsdt" / "train_800.extxyz")[:20]
    arrays = (
        data[0].atoms.numbers,
        np.stack([s.atoms.positions for s in data]),
        np.array([[s.energy] for s in data]) / units.KCAL_PER_MOL,
        np.stack([s.forces for s in data]) / units.KCAL_PER_MOL,
    )
    np.savez(tmp_path / "a.npz", **dict(zip(names, arrays, strict=True)), theory="CCSD(T)")
    for a, b in zip(data, read(tmp_path / "a.npz"), strict=True):
        meet(a, b, "energy", "forces")
        assert b.level == "CCSD(T)"
    in_ev = read(tmp_path / "a.npz", units="eV, Å")
    assert in_ev[0].energy == pytest.approx(data[0].energy / units.KCAL_PER_MOL)
    np.savez(tmp_path / "b.npz", **dict(zip(names, arrays, strict=True)), e_unit="eV", r_unit="Ang")
    assert read(tmp_path / "b.npz")[0].energy == in_ev[0].energy


def test_npz_never_loads_pickles(tmp_path):
    np.savez(tmp_path / "a.npz", z=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="pickled objects are never loaded"):
        read(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(UserError, match="b.npz: not an npz"):
        read(tmp_path / "b.npz")


CALCULATION = """<calculation>
{steps}
<structure><crystal><varray name="basis"><v>4 0 0</v><v>0 4 0</v><v>0 0 4</v></varray></crystal>
<varray name="positions"><v>0 0 0</v><v>0.5 0.5 0.5</v></varray></structure>
<varray name="forces"><v>1 2 3</v><v>-1 -2 -3</v></varray>
<varray name="stress"><v>10 0 0</v><v>0 20 0</v><v>0 0 30</v></varray>
<energy><i name="e_fr_energy">{energy}</i><i name="e_wo_entrp">-7.0</i><i name="e_0_energy">-7.5</i></energy>
</calculation>"""
STEP = """<scstep><energy><i name="e_fr_energy">-8</i><i name="e_wo_entrp">-7</i><i name="e_0_energy">-7.5</i></energy>
</scstep>"""


def vasprun(*runs: tuple[int, float]) -> str:
    calculations = "\n".join(CALCULATION.format(steps=STEP * n, energy=e) for n, e in runs)
    return f"""<?xml version="1.0"?><modeling>
<incar><i type="int" name="NELM">4</i></incar>
<kpoints><varray name="kpointlist"><v>0 0 0</v></varray><varray name="weights"><v>1</v></varray></kpoints>
<parameters><separator name="electronic"><i type="int" name="NELM">4</i></separator></parameters>
<atominfo><atoms>2</atoms><types>1</types><array name="atoms"><set>
<rc><c>Na</c><c>1</c></rc><rc><c>Cl</c><c>2</c></rc></set></array></atominfo>
<structure name="initialpos"><crystal><varray name="basis"><v>4 0 0</v><v>0 4 0</v><v>0 0 4</v></varray></crystal>
<varray name="positions"><v>0 0 0</v><v>0.5 0.5 0.5</v></varray>
<varray name="selective"><v type="logical">F F F</v><v type="logical">T T T</v></varray></structure>
{calculations}
</modeling>"""


def test_vasprun(tmp_path):
    (tmp_path / "vasprun.xml").write_text(vasprun((2, -8.0), (4, -9.0), (3, -10.0)))
    data = read(tmp_path / "vasprun.xml")
    assert [s.energy for s in data] == [-8.0, -10.0]  # TOTEN, without the step that ran into NELM
    assert [s.frame for s in data] == [0, 2]
    assert any("left out 1 of 3 frames" in note and "NELM = 4" in note for note in data.notes)
    assert data[0].forces.tolist() == [[1, 2, 3], [-1, -2, -3]]  # the held atom's too
    assert data[0].atoms.arrays["move_mask"].tolist() == [False, True]
    assert np.allclose(np.diag(data[0].stress), [-10 * units.KBAR, -20 * units.KBAR, -30 * units.KBAR], rtol=1e-6)


def test_vasprun_cut_short(tmp_path):
    text = vasprun((2, -8.0), (3, -10.0))
    (tmp_path / "vasprun.xml").write_text(text[: text.rindex("<energy>")])
    with pytest.raises(UserError, match="cut short"):
        read(tmp_path / "vasprun.xml")
    data = read(tmp_path / "vasprun.xml", skip_bad=True)
    assert [s.energy for s in data] == [-8.0]
    assert "cut short" in data.notes[0]


def test_outcar_steps_that_ran_into_nelm(tmp_path):
    iteration = "----- Iteration {:6d}({:4d})  -----\n"
    steps = "".join(iteration.format(ionic, k) for ionic, n in ((1, 3), (2, 6)) for k in range(1, n + 1))
    (tmp_path / "OUTCAR").write_text("   NELM   =      6;   NELMIN=  2; NELMDL= -5\n" + steps)
    counts, _ = steps_in_outcar(tmp_path / "OUTCAR")
    assert counts == {0: (3, 6), 1: (6, 6)}


def test_a_new_format_is_one_file():
    class Toy(Format):
        """One hydrogen atom."""

        name = "toy"

        def suits(self, path):
            return False

        def frames(self, path):
            yield Frame(np.array([1]), np.zeros((1, 3)), np.zeros((3, 3)), np.zeros(3, bool))

    with pytest.raises(UserError, match="are read but not written"):
        Toy().save(Path("x"), [], None)
