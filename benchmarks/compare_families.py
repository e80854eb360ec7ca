"""`cambrian compare` on a crystal and on a molecule: errors, time of the fit, speed of dynamics, of several families.

    python benchmarks/compare_families.py [Si] [ethanol] [--data ../shared/data] [--minutes 2] [--portions 1]

Si: splits of Zuo et al., J. Phys. Chem. A 124, 731 (2020). Ethanol: training and dynamics sets of D. P. Kovács et al.,
J. Chem. Theory Comput. 17, 7696 (2021). One thread; an interrupted run goes on.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

CASES = {
    "Si": ("snap,qsnap,hdnnp,morse", "mlearn/Si_training.extxyz", "mlearn/Si_test.extxyz"),
    "ethanol": ("snap,hdnnp", "ethanol-botnet/train.extxyz", "ethanol-botnet/test_MD.extxyz"),
}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--portions", default="1", help="parts of the training data for learning curves")
    parser.add_argument("-o", "--output", type=Path, default=Path("compare_families"))
    arguments = parser.parse_args()
    failed = 0
    for case in arguments.cases:
        recipes, train, test = CASES[case]
        command = [sys.executable, "-m", "cambrian.cli", "compare", str(arguments.data / train), "--recipes", recipes]
        command += ["--test", str(arguments.data / test), "--minutes", str(arguments.minutes)]
        command += ["--portions", arguments.portions, "-o", str(arguments.output / case)]
        print(f"\n{case}: {' '.join(command[2:])}", flush=True)
        failed += subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
