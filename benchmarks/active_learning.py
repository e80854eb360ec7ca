"""Does it pay to ask the potential which structures to label? Errors over the number of labels, four ways of choosing.

    OMP_NUM_THREADS=1 python benchmarks/active_learning.py [thermal] [torsion] [--repeats 3] [--sizes 20,40,80] [-o DIR]

From the same few structures, training sets grow by (random) a random choice from a pool, (disagreement) the structures
of that pool on which the committee's forces differ most, (attack) new geometries to which an adversarial attack drives
the committee at 500 K, (hot-attack) the same at 5250 K. All are judged by the mean of a committee of three, on
structures that come from elsewhere:

    thermal   ethanol: pool from dynamics at 300 and 500 K, test set from another run at 500 K
    torsion   pool from dynamics at 300 K; test set around the whole C-C-O-H torsion, relaxed, then rattled

Both begin with normal modes at 300 K about the gauche minimum. Reference GFN2-xTB. Every finished fit is kept in DIR;
the same command goes on from there, and more repeats or sizes add to what is there. Figure, page and CSV go there too.
"""

import argparse
import csv
import io
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import molecule
from ase.constraints import FixInternals
from ase.optimize import BFGS
from matplotlib.figure import Figure

from cambrian import read, write
from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.configurable import describe
from cambrian.contracts.archive import write_in_place
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.potential import Potential
from cambrian.data import Dataset
from cambrian.descriptors.acsf import ACSF, Radial, Wide
from cambrian.fit.committee import fit_committee
from cambrian.fit.fit import assess
from cambrian.fit.least_squares import LeastSquares
from cambrian.label.run import label
from cambrian.label.tblite import Tblite
from cambrian.math.symmetry_grids import GasteggerShifted, ImbalzanoCentered
from cambrian.regressors.linear import LinearRegressor
from cambrian.report.html import Section, code, figure, paragraph, side_by_side, table, write_page
from cambrian.sample.adversarial_attack import AdversarialAttack
from cambrian.sample.dynamics import ThermalMotion
from cambrian.sample.motions import Displacements, Motion, Torsions
from cambrian.sample.normal_modes import HarmonicMotion
from cambrian.sample.rattle import rattle
from cambrian.sample.starting import structure_of
from cambrian.select.random import RandomSelector
from cambrian.select.uncertainty import UncertaintySelector

REFERENCE = Tblite()
MEMBERS = 3
PANELS = {"force_rmse": "force RMSE, meV/Å", "energy_rmse": "energy RMSE, meV/atom"}
ATTACK = {"n_steps": 30, "highest": 0.15}
TEMPERATURE_K = 500.0
HALF_THE_MODES = 10.5  # of 21: an attack ends about one kT above the minimum, thermal motion half a kT for each mode
MOTIONS = {"thermal": Displacements(), "torsion": Torsions(learning_rate=5.0)}  # 30 steps may turn by 150 degrees
SPARE = 1.5  # attacks for each label wanted: some end too high, or like another


@dataclass(frozen=True)
class Case:
    """Where structures come from: the first ones of each repeat, the pool, the test set, and what an attack moves."""

    name: str
    start: Dataset
    pool: Dataset
    test: Dataset
    motion: Motion


@dataclass(frozen=True)
class Trial:
    """One training set of a study and the committee that is fitted to it."""

    case: Case
    method: str
    seed: int
    sizes: tuple[int, ...]
    root: Path

    @property
    def folder(self) -> Path:
        """Where it is kept; the first structures are the same for all methods, and so is their fit."""
        name = "start" if len(self.sizes) == 1 else self.method
        return self.root / self.case.name / f"{name}-{self.seed}-{self.sizes[-1]}"

    def train(self) -> Dataset:
        """The structures of this size: those of the size before, and what the method adds to them."""
        path = self.folder / "train.extxyz"
        if path.is_file():
            return read(path)
        if len(self.sizes) == 1:
            n = self.sizes[0]
            data = self.case.start[n * self.seed : n * (self.seed + 1)]
        else:
            before = Trial(self.case, self.method, self.seed, self.sizes[:-1], self.root)
            known, n = before.train(), self.sizes[-1] - self.sizes[-2]
            data = known + METHODS[self.method](self.case, known, before.committee(), n, self.seed, self.root)
        self.folder.mkdir(parents=True, exist_ok=True)
        write(path, data)
        return data

    def committee(self) -> Potential:
        """Fitted, or read back."""
        potential, solver = model()
        found = fit_committee(potential, self.train(), solver, n_members=MEMBERS, seed=self.seed, folder=self.folder)
        return found.potential

    def outcome(self) -> dict[str, float]:
        """Errors on the test set, eV/Å and eV/atom, and the share of structures that are trans."""
        path = self.folder / "outcome.json"
        if path.is_file():
            return json.loads(path.read_text(encoding="utf-8"))
        figures = assess(self.committee(), self.case.test).errors.figures()
        found = {name: figures[name] for name in PANELS} | {"trans": trans(self.train())}
        write_in_place(path, json.dumps(found).encode())
        return found


def model() -> tuple[Potential, LeastSquares]:
    """Linear in symmetry functions for each element: fitted in a second, and good for a molecule near its shape."""
    functions = [Radial(GasteggerShifted(8, first=0.8)), Wide(ImbalzanoCentered(3), zetas=(1, 4))]
    potential = IsolatedAtoms() + DescriptorPotential(ACSF(cutoff=4.0, functions=functions), LinearRegressor())
    return potential, LeastSquares(energy_weight=200.0, ridge=1e-6)


def at_random(case: Case, known: Dataset, committee: Potential, n: int, seed: int, root: Path) -> Dataset:
    """From the pool, whatever the committee says."""
    return case.pool[RandomSelector().choose(case.pool, n, known=known, potential=committee, seed=seed)]


def by_disagreement(case: Case, known: Dataset, committee: Potential, n: int, seed: int, root: Path) -> Dataset:
    """Those of the pool with the largest disagreement about the force on an atom."""
    return case.pool[UncertaintySelector().choose(case.pool, n, known=known, potential=committee, seed=seed)]


def by_attack(
    case: Case, known: Dataset, committee: Potential, n: int, seed: int, root: Path, *, temperature_K: float
) -> Dataset:
    """New geometries, the widest spread first; attacks go on with other seeds until there are enough."""
    found = Dataset([])
    for k in range(5):
        attack = AdversarialAttack(n=round(SPARE * n), motion=case.motion, temperature_K=temperature_K, **ATTACK)
        new = attack.propose(known, committee, seed=1000 * seed + k)
        found = found + labelled(new[: n - len(found)], root)
        if len(found) == n:
            return found
    raise SystemExit(f"{case.name}, seed {seed}: attacks gave {len(found)} of {n} structures")


METHODS: dict[str, Callable[..., Dataset]] = {
    "random": at_random,
    "disagreement": by_disagreement,
    "attack": partial(by_attack, temperature_K=TEMPERATURE_K),
    "hot-attack": partial(by_attack, temperature_K=HALF_THE_MODES * TEMPERATURE_K),
}


def labelled(structures: list[Atoms], root: Path) -> Dataset:
    """With labels of the reference, each computed once."""
    return label(structures, REFERENCE, cache=root / "labels", workers=0).data


def kept(path: Path, make: Callable[[], list[Atoms]], root: Path) -> Dataset:
    """Labelled structures, made where an earlier run has not left them."""
    if not path.is_file():
        print(f"making {path.name}", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, labelled(make(), root))
    return read(path)


def ethanol() -> Atoms:
    """Relaxed, gauche: the lowest by this reference, trans 23 meV higher behind a barrier of 75."""
    atoms = molecule("CH3CH2OH")
    atoms.set_dihedral(*torsion_of(atoms), 60, indices=[torsion_of(atoms)[-1]])
    atoms.calc = REFERENCE.calculator()
    BFGS(atoms, logfile=None).run(fmax=0.005, steps=300)
    atoms.calc = None
    return atoms


def torsion_of(atoms: Atoms) -> tuple[int, int, int, int]:
    """The atoms C-C-O-H."""
    oxygen = atoms.symbols.search("O")[0]
    near, far = sorted(atoms.symbols.search("C"), key=lambda c: atoms.get_distance(oxygen, c))
    hydrogen = min(atoms.symbols.search("H"), key=lambda h: atoms.get_distance(oxygen, h))
    return int(far), int(near), int(oxygen), int(hydrogen)


def trans(data: Dataset) -> float:
    """The share of structures within 60 degrees of trans, which the first structures lack."""
    return float(np.mean([abs(s.atoms.get_dihedral(*torsion_of(s.atoms)) - 180) < 60 for s in data]))


def around() -> list[Atoms]:
    """Every 15 degrees of the torsion, all else relaxed; three rattled copies of each."""
    found, atoms = [], ethanol()
    places = torsion_of(atoms)
    for degrees in range(0, 360, 15):
        turned = atoms.copy()
        turned.set_dihedral(*places, degrees, indices=[places[-1]])
        turned.set_constraint(FixInternals(dihedrals_deg=[[degrees, list(places)]]))
        turned.calc = REFERENCE.calculator()
        BFGS(turned, logfile=None).run(fmax=0.03, steps=100)
        turned.calc = None
        turned.set_constraint()
        found += rattle(turned, 3, sigma=0.03, seed=degrees, group="torsion")
    return found


def dynamics(
    start: Dataset, n: int, temperatures_K: tuple[float, ...], seed: int, folder: Path, every_fs: float = 20.0
) -> list[Atoms]:
    """Frames of runs from the start, half a picosecond of equilibration left out."""
    motion = ThermalMotion(n=n, temperatures_K=temperatures_K, interval_fs=every_fs, timestep_fs=1.0)
    return motion.propose(start, REFERENCE, seed=seed, folder=folder)


def cases(names: list[str], repeats: int, first: int, root: Path) -> list[Case]:
    """The data of each case that is wanted."""
    here = Dataset([structure_of(ethanol())])
    modes = HarmonicMotion(n=100, temperatures_K=(300.0,))
    start = kept(root / "start.extxyz", lambda: modes.propose(here, REFERENCE, seed=1), root)
    if repeats * first > len(start):
        raise SystemExit(f"{len(start)} first structures do not last for {repeats} repeats of {first}")
    found = []
    for name in names:
        place, run = root / name, partial(dynamics, here)
        if name == "thermal":
            makers = {
                "pool": partial(run, 100, (300.0, 500.0), 2, place / "pool"),
                "test": partial(run, 100, (500.0,), 3, place / "test"),
            }
        else:
            makers = {"pool": partial(run, 240, (300.0,), 4, place / "pool", every_fs=10.0), "test": around}
        pool, test = (kept(place / f"{part}.extxyz", make, root) for part, make in makers.items())
        print(f"{name}: trans are {trans(pool):.0%} of the pool, {trans(test):.0%} of the test set", flush=True)
        found.append(Case(name, start, pool, test, MOTIONS[name]))
    return found


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """Mean and standard error, times a thousand; the error of a single value is 0."""
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return 1e3 * float(np.mean(values)), 1e3 * float(error)


def rows_of(trials: list[tuple[Trial, dict[str, float]]]) -> list[dict]:
    """Mean and standard error over seeds for each case, method and number of labels; meV/Å, meV/atom.

    `beside` is the difference of the force error to that of the random choice with the same first structures.
    """
    rows = []
    groups = dict.fromkeys((t.case.name, t.method, t.sizes[-1]) for t, _ in trials)
    for case, method, size in groups:
        mine = [o for t, o in trials if (t.case.name, t.method, t.sizes[-1]) == (case, method, size)]
        row = {"case": case, "method": method, "labels": size, "repeats": len(mine)}
        for name in PANELS:
            row[name], row[f"{name}_error"] = mean_and_error([o[name] for o in mine])
        at_random = {
            t.seed: o["force_rmse"]
            for t, o in trials
            if (t.case.name, t.sizes[-1]) == (case, size) and t.method == "random"
        }
        row["beside"], row["beside_error"] = mean_and_error(
            [
                o["force_rmse"] - at_random[t.seed]
                for t, o in trials
                if (t.case.name, t.method, t.sizes[-1]) == (case, method, size) and t.seed in at_random
            ]
        )
        rows.append(row | {"trans": float(np.mean([o["trans"] for o in mine]))})
    return rows


def draw(axes, rows: list[dict], case: str, panel: str) -> None:
    """One error over labels, bars are standard errors over repeats."""
    for k, method in enumerate(METHODS):
        mine = [r for r in rows if r["case"] == case and r["method"] == method]
        axes.errorbar(
            [r["labels"] * 1.015 ** (k - 1.5) for r in mine],  # side by side, to be seen
            [r[panel] for r in mine],
            yerr=[r[f"{panel}_error"] for r in mine],
            marker="osD^"[k],
            markersize=4,
            capsize=2,
            label=method,
        )
    sizes = sorted({r["labels"] for r in rows})
    axes.set(xscale="log", yscale="log", xlabel="labels", ylabel=PANELS[panel], title=case)
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.xaxis.minorticks_off()
    axes.legend(fontsize=8)


HEADER = ["case", "method", "labels", "repeats", *PANELS.values(), "forces beside random", "trans, %"]


def cells(rows: list[dict]) -> list[list[str]]:
    """The rows in words."""
    return [
        [r["case"], r["method"], str(r["labels"]), str(r["repeats"])]
        + [f"{r[p]:.3g}" + (f" ± {r[f'{p}_error']:.2g}" if r["repeats"] > 1 else "") for p in (*PANELS, "beside")]
        + [f"{100 * r['trans']:.0f}"]
        for r in rows
    ]


def publish(rows: list[dict], folder: Path) -> None:
    """Figure, page and CSV, and the table on the terminal."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_in_place(folder / "active-learning.csv", stream.getvalue().encode())
    names = list(dict.fromkeys(r["case"] for r in rows))
    made = Figure(figsize=(7, 3.1 * len(names)), layout="constrained")
    for line, name in zip(made.subplots(len(names), 2, squeeze=False), names, strict=True):
        for axes, panel in zip(line, PANELS, strict=True):
            draw(axes, rows, name, panel)
    for kind in ("svg", "png"):
        picture = io.BytesIO()
        made.savefig(picture, format=kind, dpi=160)
        write_in_place(folder / f"active-learning.{kind}", picture.getvalue())
    drawn = [
        figure(partial(draw, rows=rows, case=name, panel=panel), f"{name}: {PANELS[panel]}")
        for name in names
        for panel in PANELS
    ]
    note = paragraph("Mean ± standard error over repeats.", "note")
    sections = [
        Section("What was done", [code(__doc__ or "")]),
        Section("Errors over labels", [side_by_side(drawn), note, table(HEADER, cells(rows))]),
    ]
    write_page(folder / "report.html", "Which structures are worth a label", sections)
    widths = (9, 13, 7, 8, 20, 22, 22, 10)
    for words in (HEADER, *cells(rows)):
        print("".join(f"{word:<{w}s} " for word, w in zip(words, widths, strict=True)))


def refuse_another_study(folder: Path) -> None:
    """End where the folder holds results of other settings; sizes and repeats may grow."""
    path = folder / "settings.json"
    mine = json.dumps(
        [*map(describe, (*model(), REFERENCE)), MEMBERS, ATTACK, SPARE, describe(MOTIONS), TEMPERATURE_K], indent=1
    )
    if path.is_file() and path.read_text(encoding="utf-8") != mine:
        raise SystemExit(f"{folder} holds a study with other settings: give another folder (-o)")
    write_in_place(path, mine.encode())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", default=list(MOTIONS), help=" or ".join(MOTIONS))
    parser.add_argument("--sizes", default="20,40,80", help="numbers of labels, the first without any choice")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=Path("active-learning"))
    given = parser.parse_args()
    if not set(given.cases) <= set(MOTIONS):
        parser.error(f"the cases are {', '.join(MOTIONS)}")
    torch.set_num_threads(1)
    logging.getLogger("cambrian").setLevel(logging.ERROR)
    sizes, root = tuple(map(int, given.sizes.split(","))), given.output
    root.mkdir(parents=True, exist_ok=True)
    refuse_another_study(root)
    made = cases(given.cases, given.repeats, sizes[0], root)
    trials = [
        Trial(case, method, seed, sizes[: k + 1], root)
        for case in made
        for method in METHODS
        for k in range(len(sizes))
        for seed in range(given.repeats)
    ]
    outcomes = {}
    with suppress(KeyboardInterrupt):  # what is there is published
        for trial in sorted(trials, key=lambda t: (len(t.sizes), t.seed)):  # the cheap ones first
            outcomes[trial] = trial.outcome()
            words = ", ".join(f"{1e3 * outcomes[trial][p]:.3g} ({name})" for p, name in PANELS.items())
            print(f"{trial.folder.name}, {trial.case.name}: {words}", flush=True)
    publish(rows_of([(t, outcomes[t]) for t in trials if t in outcomes]), root)


if __name__ == "__main__":
    main()
