"""The house has floors: a file imports only from lower ones, families never import a sibling, and no circles."""

import ast
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "cambrian"
FLOORS = {
    0: ("errors", "units", "configurable"),
    1: ("elements", "math", "native", "lammps_plugin"),
    2: ("graph",),
    3: ("data", "contracts"),
    4: ("classical", "descriptors", "regressors", "networks", "electrostatics", "calculator", "lammps_driver"),
    5: ("fit", "label", "sample", "select", "deploy"),
    6: ("recipes", "validate", "learn"),
    7: ("configuration", "report"),
    8: ("compare", "selection_study", "function_study", "tuning", "workflow"),
    9: ("cli",),
    10: ("", "__main__"),  # the package itself, which only users import
}
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
FAMILIES = ("classical", "descriptors", "regressors", "networks", "electrostatics")
ATTICS = {"utils", "util", "helpers", "common", "misc", "tools", "core", "base"}


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name; a package stands under its own name."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = ["cambrian", *path.relative_to(SOURCE).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room_of(module: str) -> str:
    return (module.split(".") + [""])[1]


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def import_statements(tree: ast.AST):
    """Import statements wherever they stand, those for type checkers alone left out."""
    for node in ast.iter_child_nodes(tree):
        if is_type_checking(node):
            for other in node.orelse:
                yield from import_statements(other)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        else:
            yield from import_statements(node)


@cache
def imports(module: str) -> tuple[str, ...]:
    """Modules of the package that a module imports, relative imports resolved."""
    path = modules()[module]
    found = set()
    for node in import_statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "cambrian"}
            continue
        home = node.module or ""
        if node.level:
            parents = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
            home = ".".join(parents[: len(parents) - node.level + 1] + ([node.module] if node.module else []))
        if home.split(".")[0] != "cambrian":
            continue
        for alias in node.names:
            inner = f"{home}.{alias.name}"
            found.add(inner if inner in modules() else home)
    return tuple(sorted(found))


def may_import(module: str, other: str) -> bool:
    """The rule of the floors."""
    room, target = room_of(module), room_of(other)
    if target in FAMILIES and (room in FAMILIES or FLOOR[room] == 5):
        return False
    if room == target:
        return True
    if (room, target) == ("contracts", "data"):
        return True
    return FLOOR[target] < FLOOR[room]


def test_every_file_has_a_floor():
    strangers = {room_of(m) for m in modules()} - set(FLOOR)
    assert not strangers, f"give {strangers} a floor in DESIGN.md, section 3, and here"


@pytest.mark.parametrize("module", modules())
def test_imports_only_lower_floors(module):
    wrong = [other for other in imports(module) if not may_import(module, other)]
    assert not wrong, f"{module} imports {wrong}; move what they share to a lower floor"


def test_no_attic():
    parts = {p for path in modules().values() for p in path.relative_to(SOURCE).with_suffix("").parts}
    assert not parts & ATTICS


def test_no_import_circle():
    state: dict[str, str] = {}

    def visit(module: str, trail: tuple[str, ...]) -> None:
        if state.get(module) == "done" or module not in modules():
            return
        assert state.get(module) != "open", f"imports go in a circle: {' -> '.join((*trail, module))}"
        state[module] = "open"
        for other in imports(module):
            visit(other, (*trail, module))
        state[module] = "done"

    for module in modules():
        visit(module, ())


def test_files_stay_short():
    long = {m: n for m, path in modules().items() if (n := len(path.read_text().splitlines())) > 400}
    assert not long, f"over 400 lines, so two files: {long}"


def test_imports_are_read_wherever_they_stand():
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from cambrian.fit import hidden
def late():
    import cambrian.data
    class Inner:
        from .sibling import thing
try:
    import cambrian.graph
except ImportError:
    pass
"""
    read = [ast.unparse(node) for node in import_statements(ast.parse(source))]
    assert read[1:] == ["import cambrian.data", "from .sibling import thing", "import cambrian.graph"]


@pytest.mark.parametrize(
    ("module", "other"),
    [
        ("cambrian.descriptors.acsf", "cambrian.descriptors.bispectrum"),
        ("cambrian.networks.painn", "cambrian.classical.zbl"),
        ("cambrian.fit.fit", "cambrian.classical.zbl"),
        ("cambrian.graph.graph", "cambrian.data.dataset"),
        ("cambrian.data.dataset", "cambrian.contracts.potential"),
        ("cambrian.label.tblite", "cambrian.sample.dynamics"),
        ("cambrian.math.radial", "cambrian.native.library"),
        ("cambrian.recipes.snap", "cambrian"),
    ],
)
def test_the_rule_refuses(module, other):
    assert not may_import(module, other)
