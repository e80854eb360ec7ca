"""Ethanol, from a bare molecule to a validated potential, in about five minutes on two cores. `make demo` runs this.

Each step is a command that is printed before it runs and may be typed as it stands. The reference is GFN2-xTB: no
download, a millisecond per structure. Everything goes into one folder; a demo that was interrupted goes on from there
when it is started again.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # nine atoms: more threads only wait for each other

import argparse
import json
import shlex
import time
from pathlib import Path

import typer
import yaml
from ase.build import molecule

from cambrian import Dataset, Structure, UserError, write
from cambrian.cli import app
from cambrian.cli.console import err, out

SOUND = (0, 1)  # exit codes of a command that did its work: 1 says that a check failed or learning is not calm yet


def main() -> None:
    """The whole way, step by step."""
    options, begun = arguments(), time.monotonic()
    folder = options.output
    folder.mkdir(parents=True, exist_ok=True)
    start, learned = folder / "ethanol.extxyz", folder / "learned"
    if not start.exists():
        write(start, Dataset([Structure(molecule("CH3CH2OH"))]))

    say(1, "sample: thermal motion by the reference itself: at 300 K and 500 K for training, another run for the test")
    train, test = folder / "train.extxyz", folder / "test.extxyz"
    each = ["--method", "tblite", "--set", "interval_fs=20", "--set", "timestep_fs=1.0"]
    n = options.structures
    cambrian("sample", "dynamics", start, "-o", train, *each, "--set", f"n={n}", "--set", "temperatures_K=[300, 500]")
    cambrian("sample", "dynamics", start, "-o", test, *each, "--set", f"n={n // 2}", "--seed", 7)

    say(2, "label: energies and forces by GFN2-xTB; what was computed once is never computed again")
    data, unseen = folder / "train-labelled.extxyz", folder / "test-labelled.extxyz"
    cambrian("label", "tblite", train, "-o", data)
    cambrian("label", "tblite", test, "-o", unseen)

    say(3, "learn: a committee of three potentials, and a round of active learning at up to 900 K")
    workflow = folder / "learn.yaml"
    workflow.write_text(yaml.safe_dump(plan(start, data, unseen, options), sort_keys=False), encoding="utf-8")
    cambrian("learn", workflow, "-o", learned)

    say(4, "compare: a linear family and one of networks on the same data, these with a limit of time")
    minutes = ["--minutes", options.minutes, "--portions", 1, "--report", learned]
    cambrian("compare", data, "--test", unseen, "--recipes", "ace,hdnnp", "-o", folder / "compared", *minutes)

    say(5, "validate: the physics beside GFN2-xTB")
    checks = ["errors", "calibration", "nve_drift", "survival", "vibrations"]
    limits = ["errors.energy_mae=5e-4", "errors.force_mae=0.04"]
    limits += [f"nve_drift.n_steps={options.steps}", "nve_drift.timestep_fs=0.5", "nve_drift.equilibration_fs=100"]
    limits += [f"survival.duration_ps={options.steps / 8000:g}"]
    settings = [word for limit in limits for word in ("--set", limit)]
    cambrian("validate", *checks, learned, unseen, "--method", "tblite", *settings)
    summary(learned, time.monotonic() - begun)


def plan(start: Path, data: Path, unseen: Path, options: argparse.Namespace) -> dict:
    """The workflow of `cambrian learn`."""
    return {
        "start": start.name,
        "method": "tblite",
        "initial": {"data": [data.name]},
        "test": {"data": [unseen.name]},
        "recipe": "ace",
        "parameters": {"most_features": options.features},
        "committee": {"members": 3},
        "exploration": {
            "ensembles": [{"NVT": {"temperature_K": 500}}, {"NVT": {"temperature_K": 900}}],
            "n_runs": 1,
            "n_steps": options.steps // 4,
            "every": 10,
        },
        "trigger": {"committee_disagreement": {"low": 0.1, "high": 2.0}},
        "selector": "farthest_point",
        "labels_per_round": 60,
        "max_rounds": 1,
    }


def arguments() -> argparse.Namespace:
    """Options; the defaults are the demo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("demo"), metavar="DIR", help="folder for everything")
    parser.add_argument("--structures", type=int, default=100, help="for training, at each of two temperatures")
    parser.add_argument("--features", type=int, default=600, help="of each element, in the linear potentials")
    parser.add_argument("--minutes", type=float, default=0.2, help="limit of time for the fit of networks")
    parser.add_argument("--steps", type=int, default=2000, help="steps of 0.5 fs of the dynamics at constant energy")
    return parser.parse_args()


def cambrian(*words: object) -> None:
    """Show a command and run it in this process; ends the demo where it cannot do its work."""
    given = [str(word) for word in words]
    out().print(f"[dim]$ cambrian {shlex.join(given)}[/]", markup=True, highlight=False)
    try:
        code = app(given, standalone_mode=False)
    except typer.Exit as end:
        code = end.exit_code
    if (code or 0) not in SOUND:
        raise SystemExit(code)


def summary(learned: Path, seconds: float) -> None:
    """What came of it, and what to try next."""
    test = json.loads((learned / "potential.validation.json").read_text(encoding="utf-8"))["checks"]["errors"][
        "figures"
    ]
    out().print(
        f"\nDone in {seconds / 60:.1f} minutes: test MAE {1e3 * test['energy_mae']:.3g} meV/atom and "
        f"{1e3 * test['force_mae']:.3g} meV/Å on {test['n_structures']} structures it has never seen. Look at"
    )
    for name, words in (
        ("report.html", "the report: open it in a browser"),
        ("potential.safetensors", "the committee"),
        ("potential.validation.json", "what the checks found"),
    ):
        out().print(f"  {learned / name}   {words}")
    out().print("\nTry next")
    out().print(f"  .venv/bin/cambrian md {learned} {learned.parent / 'test-labelled.extxyz'} \\")
    out().print("      --ensemble nvt --temperature 300 --steps 2000 --timestep 0.5 -o traj.extxyz")
    out().print("  .venv/bin/cambrian fit snap YOUR_DATA.xyz --test-fraction 0.1 -o my-snap")


def say(step: int, words: str) -> None:
    """Announce a step."""
    out().print(f"\n[bold]{step}[/]  {words}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        err().print("interrupted: the same command goes on where this one stopped")
        raise SystemExit(130) from None
    except UserError as error:
        err().print(f"error: {error}")
        raise SystemExit(2) from None
