"""Files of PACE, evaluated by our real products and, independently, by complex ones atom by atom as PACE does."""

import json
import math

import numpy as np
import pytest
import torch
from ase import Atoms
from numpy.polynomial import chebyshev
from scipy.special import sph_harm_y

from cambrian.contracts import evaluate
from cambrian.data import Dataset, Structure
from cambrian.deploy.yace_import import import_yace
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.networks.pace import PACE

EMBEDDINGS = [
    {"ndensity": 1, "FS_parameters": [1.0, 1.0], "npoti": "FinnisSinclair", "rho_core_cutoff": 3.0}
    | {"drho_core_cutoff": 2.5},
    {"ndensity": 2, "FS_parameters": [1.0, 1.0, 0.7, 0.5], "npoti": "FinnisSinclairShiftedScaled"}
    | {"rho_core_cutoff": 1e5, "drho_core_cutoff": 250.0},
]


def bond(name: str, lam: float, rows: list, **others) -> dict:
    usual = {"prehc": 5.0, "lambdahc": 1.2, "rcut": 4.5, "dcut": 0.3}
    return {"radbasename": name, "radparameters": [lam], "radcoefficients": rows} | usual | others


BONDS = {
    "Ni Ni": bond("ChebPow", 2.5, [[[0.9, -0.4], [0.5, 0.2], [1.5, 0.1]]]),
    "Ni Al": bond("ChebExpCos", 3.2, [[[-1.2, 0.3], [0.2, 0.4]], [[0.8, 0.1], [0.6, 0.5]]], rcut=4.2),
    "Al Ni": bond("ChebExpCos", 3.2, [[[-1.2, 0.3], [0.2, 0.4]], [[0.8, 0.1], [0.6, 0.5]]], rcut=4.2),
    "Al Al": bond("SBessel", 1.0, [[[0.7, 0.2], [0.3, 0.1], [0.4, 0.6]]], rcut_in=2.6, dcut_in=0.4)
    | {"inner_cutoff_type": "distance"},
}


def function(mus, ns, ls, ms, c) -> dict:
    return {"mus": mus, "ns": ns, "ls": ls, "ms_combs": ms, "ctildes": c}


def functions(n_densities: int) -> list[dict]:
    """Invariants: |A_1|², |A_2|² of both elements, a product of pairs (Al is 0, Ni is 1)."""
    scale = [1.0, -0.4][:n_densities]

    def times(values):
        return [v * s for v in values for s in scale]

    squares = [0, 0, 1, -1]
    return [
        function([0], [1], [0], [0], times([0.4])),
        function([1], [2], [0], [0], times([-0.3])),
        function([0, 1], [1, 1], [1, 1], squares, times([0.5, -1.0])),
        function([1, 1], [1, 1], [2, 2], [0, 0, 1, -1, 2, -2], times([0.2, -0.4, 0.4])),
        function([0, 1, 1], [1, 1, 1], [0, 1, 1], [0, 0, 0, 0, 1, -1], times([-0.3, 0.6])),
        function(
            [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [-1, -1, 1, 1, -1, 0, 0, 1, 0, 0, 0, 0], times([0.2, -0.2, 0.05])
        ),
    ]


def potential() -> PACE:
    """Elements in the order of the file, which is not that of atomic numbers."""
    return PACE(
        elements=["Ni", "Al"][::-1],
        energies=[-1.5, 0.3],
        embeddings=EMBEDDINGS,
        bonds=BONDS,
        functions=[functions(1), functions(2)],
    )


def cluster(seed: int = 0) -> Atoms:
    rng = np.random.default_rng(seed)
    atoms = Atoms()
    while len(atoms) < 7:
        tried = atoms + Atoms(["Ni", "Al"][len(atoms) % 2], positions=[rng.uniform(0, 4.5, 3)])
        if tried.get_all_distances()[-1, :-1].min(initial=9.0) > 1.7:
            atoms = tried
    return atoms


def step(value, end, width):
    """PACE's cutoff_func_poly."""
    if value <= end - width:
        return 1.0
    if value >= end:
        return 0.0
    x = 1 - 2 * (1 + (value - end) / width)
    return 0.5 + 7.5 / 2 * (x / 4 - x**3 / 6 + x**5 / 20)


def radial_base(words, r, n):
    """g_1 ... g_n by the formulas of PACE's source."""
    rc, lam, name = words["rcut"], words["radparameters"][0], words["radbasename"]
    g = np.zeros(n)
    if r >= rc:
        return g
    if name == "ChebExpCos":
        x = 1 - 2 * (np.exp(-lam * r / rc) - np.exp(-lam)) / (1 - np.exp(-lam))
        g = np.array([1.0] + [0.5 - 0.5 * chebyshev.chebval(x, np.eye(n + 1)[k]) for k in range(1, n)])
        g *= 0.5 * (1 + np.cos(np.pi * r / rc))
        if r > rc - words["dcut"]:
            g *= 0.5 * (1 + np.cos(np.pi * (r - rc + words["dcut"]) / words["dcut"]))
    elif name == "ChebPow":
        x = 2 * (1 - (1 - r / rc) ** lam) - 1
        g = np.array([0.5 - 0.5 * chebyshev.chebval(x, np.eye(n + 2)[k]) for k in range(1, n + 1)])
    else:
        d = 1.0
        for k in range(n):
            waves = sum(np.sinc((k + j) * r / rc) for j in (1, 2))
            f = (-1) ** k * np.sqrt(2) * np.pi / rc**1.5 * (k + 1) * (k + 2) / np.hypot(k + 1, k + 2) * waves
            e = k**2 * (k + 2) ** 2 / (4 * (k + 1) ** 4 + 1)
            last, d = d, 1 - e / d
            g[k] = (f + (np.sqrt(e / last) * g[k - 1] if k else 0.0)) / np.sqrt(d)
    if words.get("inner_cutoff_type") == "distance":
        g = g * (1 - step(r, words["rcut_in"], words["dcut_in"]))
    return g


def embedded(name, rho, m):
    a = abs(rho)
    if name == "FinnisSinclair":
        g = np.exp(-min((1e6 * a) ** 3, 700.0))
        return np.sign(rho) * ((1 - g) * a**m + 1e-6 ** (m - 1) * g * a)
    if m == 1:
        return rho
    n = 1 / m
    x0, y0 = n ** (n / (1 - n)) * np.exp(-a), n ** (1 / (1 - n)) * np.exp(-a)
    return np.sign(rho) * ((x0 + a) ** m - y0)


def reference(model: PACE, atoms: Atoms) -> np.ndarray:
    """Atomic energies by complex sums over neighbors."""
    content, names = model.content, list(model.content.elements)
    energies = []
    for i, center in enumerate(atoms.get_chemical_symbols()):
        mu0 = names.index(center)
        A, G, core = {}, {}, 0.0
        for j, neighbor in enumerate(atoms.get_chemical_symbols()):
            vector = atoms.positions[j] - atoms.positions[i]
            words, mu, r = content.bonds[f"{center} {neighbor}"], names.index(neighbor), np.linalg.norm(vector)
            if i == j or r >= words["rcut"]:
                continue
            polar, azimuth = np.arccos(vector[2] / r), np.arctan2(vector[1], vector[0])
            g = radial_base(words, r, 2)
            for k in range(2):
                G[mu, k + 1] = G.get((mu, k + 1), 0.0) + g[k]
            for n, of_n in enumerate(words["radcoefficients"], 1):
                for degree, c in enumerate(of_n):
                    for m in range(-degree, degree + 1):
                        Y = math.sqrt(4 * np.pi) * sph_harm_y(degree, m, polar, azimuth)
                        A[mu, n, degree, m] = A.get((mu, n, degree, m), 0.0) + np.dot(c, g) * Y
            repulsion = (
                words["prehc"] * np.exp(-words["lambdahc"] * r**2) / r * 0.5 * (1 + np.cos(np.pi * r / words["rcut"]))
            )
            if words.get("inner_cutoff_type") == "distance":
                repulsion *= step(r, words["rcut_in"], words["dcut_in"])
            core += repulsion
        embedding = content.embeddings[mu0]
        rho = np.zeros(embedding["ndensity"])
        for f in content.functions[mu0]:
            rank = len(f["mus"])
            for k in range(len(f["ms_combs"]) // rank):
                ms = f["ms_combs"][k * rank : (k + 1) * rank]
                if rank == 1:
                    product = G.get((f["mus"][0], f["ns"][0]), 0.0)
                else:
                    product = np.prod([A.get(key, 0.0) for key in zip(f["mus"], f["ns"], f["ls"], ms, strict=True)])
                rho += np.real(product) * np.array(f["ctildes"][k * len(rho) : (k + 1) * len(rho)])
        cluster_energy = sum(
            w * embedded(embedding["npoti"], p, m)
            for p, w, m in zip(rho, embedding["FS_parameters"][::2], embedding["FS_parameters"][1::2], strict=True)
        )
        fade = step(core, embedding["rho_core_cutoff"], embedding["drho_core_cutoff"])
        energies.append(content.energies[mu0] + cluster_energy * fade + core)
    return np.array(energies)


@pytest.mark.parametrize("seed", range(3))
def test_atomic_energies_are_those_of_complex_sums(seed):
    model, atoms = potential(), cluster(seed)
    found = evaluate(model, graph_of(atoms, model.cutoff)).atomic_energies
    np.testing.assert_allclose(found.detach().numpy(), reference(model, atoms), rtol=1e-11, atol=1e-12)


def test_rotation_and_inversion():
    model, atoms = potential(), cluster()
    straight = evaluate(model, graph_of(atoms, model.cutoff)).atomic_energies.detach().numpy()
    q, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))
    for turn in (q, -q):
        turned = Atoms(atoms.numbers, atoms.positions @ turn.T)
        found = evaluate(model, graph_of(turned, model.cutoff)).atomic_energies.detach().numpy()
        np.testing.assert_allclose(found, straight, rtol=1e-12, atol=1e-12)


def test_forces_are_differences():
    model, atoms = potential(), cluster(1)
    forces = evaluate(model, graph_of(atoms, model.cutoff)).forces.detach().numpy()
    for atom, axis in [(0, 0), (3, 1), (5, 2)]:
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[atom, axis] += sign * 1e-4
            with torch.no_grad():
                ends.append(float(model(graph_of(moved, model.cutoff)).energy))
        assert abs(-(ends[0] - ends[1]) / 2e-4 - forces[atom, axis]) < 1e-6 * max(1.0, np.abs(forces).max())


def test_what_is_not_known_is_refused():
    content = dict(potential().arguments)
    with pytest.raises(UserError, match=r"radial functions ACE.jl.base are not known"):
        PACE(**content | {"bonds": BONDS | {"Al Al": BONDS["Al Al"] | {"radbasename": "ACE.jl.base"}}})
    with pytest.raises(UserError, match="the inner cutoff zbl of Al Al is not known"):
        PACE(**content | {"bonds": BONDS | {"Al Al": BONDS["Al Al"] | {"inner_cutoff_type": "zbl"}}})
    with pytest.raises(UserError, match="the bond Ni Al is missing"):
        PACE(**content | {"bonds": {k: v for k, v in BONDS.items() if k != "Ni Al"}})
    with pytest.raises(UserError, match="equally many"):
        PACE(**content | {"energies": [0.0]})
    with pytest.raises(UserError, match="knows Al, Ni, not Cu"):
        potential().setup(Dataset([Structure(Atoms("Cu"))]))


def test_a_file_as_other_programs_write_it_equals_complex_sums(tmp_path):
    """Lists as keys, numbers such as 2e-1, entries that are not read, elements not in the order of their numbers."""
    model = potential()
    arguments = model.arguments
    elements = arguments["elements"]
    lines = [f"elements: [{', '.join(elements)}]", f"E0: {list(arguments['energies'])}".replace("0.2", "2e-1")]
    lines += ["deltaSplineBins: 0.001", "embeddings:"]
    lines += [f"  {k}: {json.dumps(e)}" for k, e in enumerate(arguments["embeddings"])]
    lines.append("bonds:")
    for pair, words in arguments["bonds"].items():
        first, second = (elements.index(e) for e in pair.split())
        shape = {"nradmax": len(words["radcoefficients"]), "lmax": len(words["radcoefficients"][0]) - 1}
        lines.append(f"  [{first}, {second}]: {json.dumps(words | shape)}")
    lines.append("functions:")
    for k, found in enumerate(arguments["functions"]):
        lines.append(f"  {k}:")
        lines += [f"    - {json.dumps(f | {'mu0': k})}" for f in found]
    (tmp_path / "foreign.yace").write_text("\n".join(lines) + "\n")
    read, atoms = import_yace(tmp_path / "foreign.yace"), cluster(3)
    found = evaluate(read, graph_of(atoms, read.cutoff)).atomic_energies.detach().numpy()
    np.testing.assert_allclose(found, reference(model, atoms), rtol=1e-10, atol=1e-11)
