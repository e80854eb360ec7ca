"""Ways of choosing training structures: silicon and ethanol, the same recipe on what each way chooses.

    OMP_NUM_THREADS=1 python benchmarks/selection.py [../shared/data] [folder for the results] [si] [ethanol]

Silicon (Zuo et al., J. Phys. Chem. A 124, 731 (2020)): chosen from the published training file, tested on the published
test file. Ethanol of the BOTNet article: every second frame of its training set, every fifth of its dynamics, a small
bispectrum. Runs `cambrian compare-selectors` as a user would; then once more for atomic energies of a potential fitted
to the pool.
"""

import subprocess
import sys
from pathlib import Path

from cambrian import read, write

DATA = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2] / "shared" / "data"
OUT = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("selection")
WANTED = sys.argv[3:] or ["si", "ethanol"]
STUDIES = {  # pool and test set with the step between frames taken, numbers, settings of the recipe
    "si": (("mlearn/Si_training", 1), ("mlearn/Si_test", 1), "10,20,50", ()),
    "ethanol": (("ethanol-botnet/train", 2), ("ethanol-botnet/test_MD", 5), "20,80", ("two_j_max=5", "cutoff=4.5")),
}


def cambrian(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "cambrian.cli", *map(str, words)], check=True)


def thinned(place: str, step: int) -> Path:
    if step == 1:
        return DATA / f"{place}.extxyz"
    path = OUT / f"{Path(place).name}-every-{step}.extxyz"
    write(path, read(DATA / f"{place}.extxyz")[::step])
    return path


def main() -> None:
    for name in WANTED:
        pool_of, test_of, numbers, settings = STUDIES[name]
        pool, test = thinned(*pool_of), thinned(*test_of)
        options = ["--test", test, "--numbers", numbers, "--repeats", 3]
        changed = [word for setting in settings for word in ("--set", f"recipe.{setting}")]
        cambrian("compare-selectors", pool, *options, *changed, "-o", OUT / name)
        plain = [word for setting in settings for word in ("--set", setting)]
        cambrian("fit", "snap", pool, *plain, "--trust-data", "-o", OUT / f"{name}-pool")
        guide = ["--selectors", "atomic_energy", "--potential", OUT / f"{name}-pool" / "potential.safetensors"]
        cambrian("compare-selectors", pool, *options, *changed, *guide, "-o", OUT / f"{name}-guided")


if __name__ == "__main__":
    main()
