"""Run every benchmark of this folder, one after another; `python benchmarks/run.py snap` runs those named so.

Each prints its own table. What was measured, on which machine and with which command stands in RESULTS.md.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(wanted: list[str]) -> int:
    scripts = [p for p in sorted(HERE.glob("*.py")) if p.name != Path(__file__).name]
    chosen = [p for p in scripts if not wanted or any(word in p.stem for word in wanted)]
    failed = []
    for script in chosen:
        print(f"\n== {script.stem} ==", flush=True)
        if subprocess.run([sys.executable, str(script)], cwd=HERE.parent).returncode != 0:
            failed.append(script.stem)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
