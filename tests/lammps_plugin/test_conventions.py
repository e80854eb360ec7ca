"""What users of LAMMPS do with any pair style: swap types, minimize, exclude, rerun, rebalance, start over."""

import re

import numpy as np
import pytest
from lammps_plugin.structures import write_model
from lammps_plugin.test_commands import CRYSTAL, ENERGY, OURS, rows

WHOLE = ["thermo_style custom step pe pxx pyy pzz pxy pxz pyz", 'thermo_modify format float "%20.14g"', "run 0"]


def lines(text: str) -> list[np.ndarray]:
    """The rows of thermo output, of whatever length."""
    return [np.array(line.split(), float) for line in re.findall(r"^ +\d[-+.\deE ]*$", text, re.M)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "three.model", 3)
    write_model(tmp_path / "one.model", 1, graded=False)
    return tmp_path


@pytest.fixture
def energy(folder, lmp):
    """Energy and pressure of the atoms in a data file, from scratch."""

    def of(file: str) -> np.ndarray:
        return rows(lmp(folder, ["units metal", "atom_style charge", f"read_data {file}", *OURS, *WHOLE]))[-1, 1:]

    return of


def test_swapped_types(folder, lmp, energy):
    """`fix atom/swap` recomputes the whole energy with other types; what it leaves equals a fresh start."""
    swap = ["fix swap all atom/swap 1 20 5 4000 types 1 2", "thermo_style custom step pe f_swap[1] f_swap[2]"]
    swap += [
        'thermo_modify format float "%20.14g"',
        "run 3",
        "thermo_style one",
        "unfix swap",
        "write_data swapped.data",
    ]
    said = lines(lmp(folder, [*CRYSTAL, *OURS, *swap, *WHOLE], ranks=2))
    assert 0 < said[1][3] <= said[1][2]
    np.testing.assert_allclose(said[-1][1:], energy("swapped.data"), rtol=1e-10)


def test_atoms_that_come_and_go(folder, lmp, energy):
    """Grand-canonical moves change the number of atoms between two evaluations."""
    moves = ["fix move all gcmc 1 30 10 1 29494 3000.0 -2.0 0.5", "thermo_style custom step atoms pe"]
    moves += ["run 4", "unfix move", "write_data moved.data"]
    said = lmp(folder, [*CRYSTAL, *OURS, "neigh_modify every 1 delay 0", *moves, *WHOLE])
    assert len({row[1] for row in lines(said)[:5]}) > 1
    np.testing.assert_allclose(lines(said)[-1][1:], energy("moved.data"), rtol=1e-9)


def test_minimized(folder, lmp):
    commands = ["minimize 0.0 1e-4 300 3000", "variable f equal fnorm", 'print "largest $f"']
    said = lmp(folder, [*CRYSTAL, *OURS, *ENERGY, *commands])
    before, *_, after = (row[1] for row in lines(said))
    assert after < before
    assert float(re.findall(r"^largest (\S+)", said, re.M)[0]) < 1e-3


def test_excluded_groups_do_not_see_each_other(folder, lmp):
    """Neither as centers nor as neighbors, as in `hybrid` with NULL."""
    groups = ["group first type 1", "group second type 2"]
    parts = [
        rows(lmp(folder, [*CRYSTAL, *groups, f"delete_atoms group {g}", *OURS, *ENERGY])) for g in ("first", "second")
    ]
    both = rows(lmp(folder, [*CRYSTAL, *groups, "neigh_modify exclude type 1 2", *OURS, *ENERGY]))
    assert both[0, 1] == pytest.approx(parts[0][0, 1] + parts[1][0, 1], rel=1e-11)


@pytest.mark.parametrize("newton", ["on", "off"])
def test_tiled_domains(folder, lmp, newton):
    tiled = [f"newton {newton}", *CRYSTAL, "comm_style tiled", "region left block INF 0.9 INF INF INF INF"]
    tiled += ["delete_atoms region left", *OURS, "balance 1.0 rcb", *WHOLE]
    plain = [line for line in tiled if line not in ("comm_style tiled", "balance 1.0 rcb")]
    found = [rows(lmp(folder, commands, ranks=n))[-1, 1:] for commands, n in ((plain, 1), (tiled, 2))]
    for others in found[1:]:
        np.testing.assert_allclose(others, found[0], rtol=1e-10, atol=1e-9)


def test_a_trajectory_again(folder, lmp):
    run = ["velocity all create 600 5", "fix 1 all nve", "thermo 5", "thermo_style custom step pe"]
    run += ['thermo_modify format float "%20.14g"', "dump 1 all custom 5 run.dump id type x y z"]
    run += ["dump_modify 1 format float %.16g", "run 10", "undump 1", "unfix 1", "rerun run.dump dump x y z"]
    found = rows(lmp(folder, [*CRYSTAL, *OURS, *run]))
    np.testing.assert_allclose(found[3:6], found[:3], rtol=1e-10)


def test_another_file_and_a_new_start(folder, lmp):
    """A second `pair_coeff`, and `clear`: each says what runs from then on."""
    said = lmp(folder, [*CRYSTAL, *OURS, *ENERGY, "pair_style cambrian", "pair_coeff * * one.model Cl Na", *ENERGY])
    swapped = lmp(folder, [*CRYSTAL, *OURS, *ENERGY, "clear", *CRYSTAL, "pair_style cambrian",
                           "pair_coeff * * one.model Cl Na", *ENERGY])  # fmt: skip
    np.testing.assert_allclose(rows(said), rows(swapped), rtol=1e-12)
    assert rows(said)[0, 1] != pytest.approx(rows(said)[1, 1])
    for text in (said, swapped):
        assert "one.model: a model for tests" in text
        assert "atom types Cl Na" in text


def test_no_atoms(folder, lmp):
    said = rows(lmp(folder, [*CRYSTAL, "delete_atoms group all", *OURS, *ENERGY], ranks=2))
    assert said[0, 1] == 0


def test_suffixes_and_packages_of_lammps(folder, lmp):
    """`suffix omp` finds no style of that name and takes ours; `package omp` says on how many threads."""
    plain = rows(lmp(folder, [*CRYSTAL, *OURS, *ENERGY]))
    said = lmp(folder, ["package omp 2", "suffix omp", *CRYSTAL, *OURS, *ENERGY])
    assert "2 threads a rank" in said
    np.testing.assert_allclose(rows(said), plain, rtol=1e-11)


def test_two_files_at_once(folder, lmp):
    """In `hybrid/overlay` each counts; `fix pair` and `compute pair` reach each by its number."""
    both = ["pair_style hybrid/overlay cambrian cambrian", "pair_coeff * * cambrian 1 three.model Na Cl"]
    both += [
        "pair_coeff * * cambrian 2 one.model Cl Na",
        "compute a all pair cambrian 1",
        "compute b all pair cambrian 2",
    ]
    both += ["fix u all pair 1 cambrian:1 spread 1", "thermo_style custom step pe c_a c_b"]
    both += ['thermo_modify format float "%20.14g"', "run 0"]
    _, total, first, second = rows(lmp(folder, [*CRYSTAL, *both]))[0]
    ours = rows(lmp(folder, [*CRYSTAL, *OURS, *ENERGY]))[0, 1]
    assert (total, first) == (pytest.approx(first + second, rel=1e-12), pytest.approx(ours, rel=1e-11))


@pytest.mark.parametrize("newton", ["on", "off"])
def test_scaled_parts(folder, lmp, newton):
    """`hybrid/scaled` takes forces and virials of each part times a factor."""
    parts = ["pair_style hybrid/scaled 0.25 cambrian 0.75 cambrian", "pair_coeff * * cambrian 1 three.model Na Cl"]
    parts += ["pair_coeff * * cambrian 2 three.model Na Cl"]
    whole = [*WHOLE[:-1], "thermo_style custom step pe pxx pyy pzz pxy pxz pyz fnorm", WHOLE[1], "run 0"]
    found, ours = (
        rows(lmp(folder, [f"newton {newton}", *CRYSTAL, *style, *whole], ranks=2)) for style in (parts, OURS)
    )
    np.testing.assert_allclose(found, ours, rtol=1e-10)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("compute x all pair/local eng", "does not support"),
        ("pair_write 1 2 10 r 1.0 4.0 table.txt Na_Cl", "does not support"),
        ("fix x all adapt 1 pair cambrian scale * * v_one", "adapt pair"),
        ("compute x all group/group all", "does not support"),
    ],
)
def test_what_needs_a_sum_over_pairs_is_refused_by_lammps(folder, lmp, command, sentence):
    said = lmp(folder, [*CRYSTAL, *OURS, "variable one equal 1", command, "run 0"], check=False)
    assert re.search("ERROR.*(pair|Pair)", said)
    assert sentence in said
    assert "Signal" not in said
