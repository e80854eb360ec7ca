"""Model files: whole or refused in words, identical to the bit, and never code."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule
from safetensors import safe_open
from safetensors.torch import save_file

from cambrian.classical.isolated_atoms import IsolatedAtoms
from cambrian.contracts import DescriptorPotential, Frozen, evaluate, header_of, load, save
from cambrian.data import Dataset, Structure
from cambrian.descriptors.so4_bispectrum import SO4Bispectrum
from cambrian.errors import UserError
from cambrian.graph import graph_of
from cambrian.regressors.linear import LinearRegressor

SOURCE = Path(__file__).parents[2] / "src" / "cambrian"


def fitted():
    local = DescriptorPotential(SO4Bispectrum(cutoff=3.0, two_j_max=2), LinearRegressor())
    potential = Frozen(IsolatedAtoms()) + local
    atoms = molecule("CH3CH2OH")
    potential.setup(Dataset([Structure(atoms, energy=-3.0)]))
    local.regressor.coefficients.data = torch.randn(18, generator=torch.Generator().manual_seed(0)).double()
    return potential


@pytest.fixture
def model(tmp_path):
    return save(fitted(), tmp_path / "model.safetensors", {"level": "PBE", "energy_rmse": 0.001})


def rewritten(path: Path, change) -> Path:
    """The file with header and tensors changed in place by `change(header, tensors)`."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["cambrian"])
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a mapping
    change(header, tensors)
    save_file(tensors, path, metadata={"cambrian": json.dumps(header)})
    return path


def test_header_says_what_it_is(model):
    header = header_of(model)
    assert header["elements"] == ["H", "C", "O"]
    assert header["cutoff"] == header["receptive_field"] == 3.0
    assert header["format_version"] == 1
    assert header["record"] == {"level": "PBE", "energy_rmse": 0.001}
    assert header["units"]["energy"] == "eV"
    assert [list(part) for part in header["potential"]["Sum"]["parts"]] == [["Frozen"], ["DescriptorPotential"]]


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, -1])
def test_truncated(model, kept):
    content = model.read_bytes()
    model.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(UserError, match="truncated"):
        load(model)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04\x95", b"{}" * 40, b"\xff" * 64])
def test_not_a_model_file(tmp_path, content):
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(UserError, match="not a whole model file"):
        load(tmp_path / "other")


def test_absent_or_a_folder(tmp_path):
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(UserError, match="no model file"):
            load(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"cambrian": "[1]"}, {"cambrian": '{"potential": {}}'}])
def test_tensors_of_somebody_else(tmp_path, metadata):
    save_file({"weight": torch.zeros(3)}, tmp_path / "weights.safetensors", metadata=metadata)
    with pytest.raises(UserError, match="no Cambrian potential"):
        load(tmp_path / "weights.safetensors")


def test_newer_format(model):
    rewritten(model, lambda header, tensors: header.update(format_version=99))
    with pytest.raises(UserError, match=r"format 99.*update cambrian"):
        load(model)


def test_missing_tensor(model):
    rewritten(model, lambda header, tensors: tensors.pop("parts.1.regressor.coefficients"))
    with pytest.raises(UserError, match=r"lacks parts\.1\.regressor\.coefficients"):
        load(model)


@pytest.mark.parametrize("name", ["extra", "parts.1.nothing.weight", "parts.1.forward", "cutoff", "__class__", ""])
def test_tensor_that_does_not_belong(model, name):
    rewritten(model, lambda header, tensors: tensors.update({name: torch.zeros(2)}))
    with pytest.raises(UserError, match="does not have"):
        load(model)


def test_unknown_class(model):
    rewritten(model, lambda header, tensors: header.update(potential={"IsolatedAtom": {}}))
    with pytest.raises(UserError, match="did you mean 'IsolatedAtoms'"):
        load(model)


def test_unknown_argument(model):
    rewritten(model, lambda header, tensors: header.update(potential={"IsolatedAtoms": {"energie": None}}))
    with pytest.raises(UserError, match="did you mean 'energies'"):
        load(model)


HOSTILE = [
    {"os.system": {"command": "touch {marker}"}},
    {"__import__": {"name": "antigravity"}},
    {"builtins.eval": {"source": "open('{marker}', 'w')"}},
    {"../../evil.py:Evil": {}},
    {"{folder}/evil.py:Evil": {}},
    {"evil:Evil": {}},
    {"Evil": {}},
    {"Sum": {"parts": [{"{folder}/evil.py:Evil": {}}]}},
    {"Sum": {"parts": "{folder}/evil.py:Evil"}},
    {"Sum": {"parts": ["{folder}/evil.py:Evil"]}},
    {"Sum": {"__class__": "Evil", "parts": []}},
    {"Frozen": {"potential": {"__reduce__": ["os.system", "touch {marker}"]}}},
    "os.system('touch {marker}')",
    ["Sum"],
    5,
    None,
    {},
    {"LinearRegressor": {}},
    {"LeastSquares": {}},
]


@pytest.mark.parametrize("words", HOSTILE, ids=lambda w: json.dumps(w)[:40])
def test_hostile_header_runs_nothing(model, tmp_path, words):
    marker = tmp_path / "marker"
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w')\nclass Evil:\n    pass\n")
    text = json.dumps(words).replace("{marker}", str(marker)).replace("{folder}", str(tmp_path))
    rewritten(model, lambda header, tensors: header.update(potential=json.loads(text)))
    before = set(sys.modules)
    with pytest.raises(UserError):
        load(model)
    assert not marker.exists()
    assert not {"evil", "antigravity"} & (set(sys.modules) - before)


def test_no_pickle_anywhere():
    """Neither pickle nor what hides it, nor yaml that builds objects, nor eval, in the whole package."""
    forbidden = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not forbidden & {a.name.split(".")[0] for a in node.names}, path
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in forbidden, path
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"eval", "exec", "torch.load", "torch.save", "os.system"}, path
                keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
                if called == "yaml.load":
                    assert f"class {keywords['Loader']}(yaml.SafeLoader)" in path.read_text(), path
                assert keywords.get("allow_pickle", "False") == "False", path
                assert keywords.get("shell", "False") == "False", path


@pytest.mark.parametrize("place", ["file/model.safetensors", "/proc/model.safetensors", "/dev/null/x/model"])
def test_place_that_cannot_be_written(tmp_path, place):
    """A folder that is a file, and file systems that take none: refused in words, even for root."""
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match=r"cannot write .*; choose another place"):
        save(fitted(), tmp_path / place)
    assert (tmp_path / "file").read_text() == "not a folder"


def test_failed_write_leaves_the_old_file(model, monkeypatch):
    before = model.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(UserError, match="No space left"):
        save(fitted(), model)
    assert model.read_bytes() == before
    assert list(model.parent.iterdir()) == [model]


def test_another_process_gives_the_same_bits(model, tmp_path):
    atoms = molecule("CH3CHO")
    atoms.rattle(0.1, seed=1)
    script = """
import sys, numpy as np
from ase.build import molecule
from cambrian import evaluate, graph_of, load
atoms = molecule("CH3CHO")
atoms.rattle(0.1, seed=1)
potential = load(sys.argv[1])
found = evaluate(potential, graph_of(atoms, potential.cutoff))
np.savez(sys.argv[2], energy=found.energy.numpy(), forces=found.forces.numpy())
"""
    subprocess.run([sys.executable, "-c", script, str(model), str(tmp_path / "found.npz")], check=True, timeout=120)
    here = fitted()
    expected = evaluate(here, graph_of(atoms, here.cutoff))
    with np.load(tmp_path / "found.npz") as found:
        assert np.array_equal(found["energy"], expected.energy.numpy())
        assert np.array_equal(found["forces"], expected.forces.numpy())


def test_the_same_potential_twice_in_a_sum(tmp_path):
    """Tensors that share memory are written out twice."""
    part = IsolatedAtoms({"H": -1.0})
    again = load(save(part + part, tmp_path / "twice.safetensors"))
    atoms = molecule("H2")
    assert float(evaluate(again, graph_of(atoms, 0.0)).energy[0]) == -4.0
