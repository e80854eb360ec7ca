"""VASP's vasprun.xml and OUTCAR, read by ASE; ionic steps whose electronic loop ran into NELM are left out.

The energy is the free energy (TOTEN), of which the forces are the derivative.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from cambrian.data.frame import Format, Frame
from cambrian.data.from_ase import frames_by_ase
from cambrian.errors import UserError

ITERATION = re.compile(r"Iteration\s+(\d+)\(\s*(\d+)\)")
NELM = re.compile(r"\bNELM\s*=\s*(\d+)")


class Vasp(Format):
    """Outputs of VASP."""

    name = "vasp"
    priority = 2

    def suits(self, path: Path) -> bool:
        """By VASP's names: vasprun.xml, OUTCAR, with anything after or before them."""
        return path.is_file() and not path.name.endswith((".gz", ".xz", ".bz2")) and self._kind(path) is not None

    def frames(self, path: Path) -> Iterator[Frame]:
        """Ionic steps in order, those that did not converge marked as faulty."""
        kind = self._kind(path)
        counts, cut = steps_in_outcar(path) if kind == "vasp-out" else steps_in_xml(path)
        for frame in frames_by_ase(path, kind):
            steps, most = counts.get(frame.index, (0, 0))
            if "free_energy" in frame.info:
                frame.info.pop("energy", None)
            if most > 0 and steps >= most:
                frame.fault = f"the electronic loop stopped at its limit, NELM = {most}, without converging"
            yield frame
        if cut:
            raise UserError("the file was cut short after these steps; read with skip_bad to keep them")

    def _kind(self, path: Path) -> str | None:
        if path.suffix == ".xml" and "vasprun" in path.name:
            return "vasp-xml"
        return "vasp-out" if "OUTCAR" in path.name else None


def steps_in_xml(path: Path) -> tuple[dict[int, tuple[int, int]], bool]:
    """Electronic steps and their limit by ionic step, and whether the file was cut short."""
    steps, most, cut = [], 0, False
    try:
        for _, element in ElementTree.iterparse(path):
            if element.tag == "i" and element.get("name") == "NELM":
                most = int(element.text or 0)
            elif element.tag == "calculation":
                steps.append(len(element.findall("scstep")))
                element.clear()
    except ElementTree.ParseError:
        cut = True
    return {k: (n, most) for k, n in enumerate(steps)}, cut


def steps_in_outcar(path: Path) -> tuple[dict[int, tuple[int, int]], bool]:
    """Electronic steps and their limit by ionic step; an OUTCAR does not tell whether it was cut short."""
    steps: dict[int, int] = {}
    most = 0
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if found := ITERATION.search(line):
                steps[int(found[1]) - 1] = int(found[2])
            elif most == 0 and (found := NELM.search(line)):
                most = int(found[1])
    return {k: (n, most) for k, n in steps.items()}, False
