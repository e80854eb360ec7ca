"""Why a first-generation potential does not transfer: one water molecule, two, and three, labelled by GFN1-xTB.

Invariant polynomials of the distances of one molecule (recipe first_generation) beside networks of single atoms (recipe
hdnnp). Both learn one molecule. The polynomials have no variables for a second one; polynomials of two molecules would
be another potential, with many more coefficients, and those of three yet another. The networks learn pairs of
molecules from data on pairs, and then say something about three, which they have not seen. Takes about a minute.
"""

import argparse
from itertools import accumulate
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import molecule

from cambrian.contracts.evaluate import evaluate
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.fit import fit
from cambrian.fit.fit import assess
from cambrian.fit.gradient_descent import GradientDescent
from cambrian.graph import graph_of
from cambrian.label.tblite import Tblite
from cambrian.math.invariant_polynomials import invariants_by_degree
from cambrian.recipes.first_generation import first_generation
from cambrian.recipes.hdnnp import hdnnp

BEND = 0.07  # Å, by which every coordinate of a molecule is moved
NEAREST, FURTHEST = 2.6, 4.5  # Å, between oxygen atoms of neighboring molecules


def water(n_molecules: int, rng: np.random.Generator) -> Atoms:
    """Bent molecules, turned at random, one after the other at a random distance of an earlier one."""
    found = Atoms()
    while len(found) < 3 * n_molecules:
        one = molecule("H2O")
        one.positions -= one.positions[0]
        one.rotate(rng.uniform(0, 360), rng.normal(size=3))
        one.rotate(rng.uniform(0, 360), rng.normal(size=3))
        one.positions += rng.normal(0, BEND, (3, 3))
        if len(found):
            away = rng.normal(size=3)
            anchor = found.positions[3 * rng.integers(len(found) // 3)]
            one.positions += anchor + rng.uniform(NEAREST, FURTHEST) * away / np.linalg.norm(away)
            between = np.linalg.norm(found.positions[:, None] - one.positions, axis=-1)
            if between.min() < 1.6 or between[::3, 0].min() < NEAREST:
                continue
        found += one
    return found


def labelled(n_molecules: int, n: int, seed: int) -> Dataset:
    """Structures with energies and forces of GFN1-xTB."""
    rng = np.random.default_rng(seed)
    method = Tblite(method="GFN1-xTB")
    return Dataset([method.label(water(n_molecules, rng)) for _ in range(n)])


def networks(train: Dataset, epochs: int) -> Potential:
    """The recipe hdnnp with a shorter training."""
    solver = GradientDescent(learning_rate=1e-2, batch_size=8, epochs=epochs, energy_weight=5.0, clip=1.0)
    potential, solver = hdnnp(solver=solver)
    return fit(potential, train, solver).potential


def force_rmse(potential: Potential, data: Dataset) -> float:
    """In meV/Å."""
    return 1e3 * assess(potential, data).errors.figures()["force_rmse"]


def study(n: int, epochs: int, degrees: tuple[int, ...]) -> dict:
    """All figures: force errors in meV/Å, numbers of coefficients, and what the polynomials say of two molecules."""
    train = {k: labelled(k, n, seed=k) for k in (1, 2)}
    test = {k: labelled(k, max(n // 4, 4), seed=10 + k) for k in (1, 2, 3)}
    polynomials = {}
    for degree in degrees:
        potential, solver = first_generation(degree=degree)
        fitted = fit(potential, train[1], solver)
        polynomials[degree] = (fitted.n_parameters, force_rmse(fitted.potential, test[1]))
    try:
        evaluate(fitted.potential, graph_of(test[2][0].atoms, fitted.potential.cutoff))
        refusal = ""
    except UserError as error:
        refusal = str(error)
    of_one, of_both = networks(train[1], epochs), networks(train[1] + train[2], epochs)
    sizes = {k: list(accumulate(invariants_by_degree([2 * k, k], 6))) for k in (1, 2, 3)}
    return {
        "polynomials": polynomials,
        "refusal": refusal,
        "hdnnp of one": {k: force_rmse(of_one, data) for k, data in test.items()},
        "hdnnp of one and two": {k: force_rmse(of_both, data) for k, data in test.items()},
        "spread": {k: 1e3 * np.sqrt(np.mean([s.forces**2 for s in data])) for k, data in test.items()},
        "sizes": sizes,
    }


def draw(found: dict, path: Path) -> None:
    """Errors on one molecule, errors on more, and how many coefficients polynomials take."""
    import matplotlib.pyplot as plt

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    degrees = list(found["polynomials"])
    left.semilogy(degrees, [e for _, e in found["polynomials"].values()], "o-", label="polynomials")
    left.axhline(found["hdnnp of one"][1], color="tab:orange", label="hdnnp")
    left.set(xlabel="degree", ylabel="force RMSE, meV/Å", title="one molecule")
    left.legend()
    for k, (name, words) in enumerate({"hdnnp of one": "one", "hdnnp of one and two": "one and two"}.items()):
        middle.bar(
            [n + 0.35 * k - 0.175 for n in found[name]], found[name].values(), 0.35, label=f"hdnnp, from {words}"
        )
    middle.plot(list(found["spread"]), list(found["spread"].values()), "k_", markersize=30, label="size of the forces")
    middle.set(xlabel="molecules", yscale="log", ylabel="force RMSE, meV/Å", title="more molecules")
    middle.set_xticks(list(found["spread"]))
    middle.set_ylim(top=6 * max(found["spread"].values()))
    middle.legend(fontsize="small", loc="upper left")
    for degree in (2, 4, 6):
        right.semilogy(
            list(found["sizes"]), [s[degree] for s in found["sizes"].values()], "o-", label=f"degree {degree}"
        )
    right.set(xlabel="molecules", ylabel="coefficients", title="polynomials needed")
    right.set_xticks(list(found["sizes"]))
    right.legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run the study, print its figures, draw them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=80, help="structures to train on, of each kind")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("-o", "--output", type=Path, default=Path("first-generation.png"))
    arguments = parser.parse_args()
    found = study(arguments.n, arguments.epochs, degrees=(2, 3, 4, 5, 6, 7, 8))
    print("force RMSE in meV/Å on one molecule\n  degree  coefficients  error")
    for degree, (count, error) in found["polynomials"].items():
        print(f"  {degree:6d}  {count:12d}  {error:5.1f}")
    print(f"two molecules, by the polynomials: {found['refusal']}")
    print("networks                    one     two   three molecules")
    for name in ("hdnnp of one", "hdnnp of one and two", "spread"):
        print(f"  {name:22s}" + "".join(f"  {found[name][k]:6.1f}" for k in (1, 2, 3)))
    print("coefficients of degree 2, 4 and 6 for one, two and three molecules")
    for k, counts in found["sizes"].items():
        print(f"  {k}  {counts[2]:9,d}  {counts[4]:9,d}  {counts[6]:9,d}")
    draw(found, arguments.output)


if __name__ == "__main__":
    main()
