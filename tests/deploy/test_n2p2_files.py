"""Files of n2p2 and RuNNer: their keywords, the readings of RuNNer, and what a user hears of broken ones."""

from pathlib import Path

import pytest
import torch

from cambrian.cli.deploy import import_
from cambrian.contracts.archive import header_of
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.deploy.n2p2_import import import_n2p2
from cambrian.errors import UserError

INPUT = """\
number_of_elements 2       # two
elements O H               ! in any order
atom_energy H -0.5
cutoff_type 1
scale_symmetry_functions
global_hidden_layers_short 1
global_nodes_short 2
global_activation_short t l
symfunction_short H 2 O 0.1 0.0 6.0
symfunction_short H 2 H 0.1 0.0 6.0
symfunction_short O 2 H 0.2 0.0 6.0
"""
SCALING = "1 1 0.0 1.0 0.5\n1 2 0.0 2.0 0.5\n2 1 0.0 4.0 0.5\n  -1.0  2.0\n"


def write(folder: Path, text: str = INPUT, scaling: str = SCALING, weights: dict | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "input.nn").write_text(text)
    (folder / "scaling.data").write_text(scaling)
    for z, n in (weights or {1: 9, 8: 7}).items():
        (folder / f"weights.{z:03d}.data").write_text("# weights\n" + "".join(f"{0.1 * k} a {k}\n" for k in range(n)))
    return folder


def network_of(folder: Path, **how) -> DescriptorPotential:
    return next(t for t in import_n2p2(folder, **how).terms() if isinstance(t, DescriptorPotential))


def test_order_and_missing_columns(tmp_path):
    network = network_of(write(tmp_path))
    h, o = (network.descriptor.functions_of(z) for z in (1, 8))
    assert [f.neighbors for f in h] == [(0,), (1,)]  # H before O, though listed the other way round
    assert len(o) == 1
    first, second = network.regressor.networks()
    assert first.weights[0].tolist() == [[0.0, 0.1], [0.2, pytest.approx(0.3)]]
    assert first.biases[0].tolist() == [pytest.approx(0.4), 0.5]
    assert second.used.tolist() == [True, False]
    assert network.highest.tolist() == [[1.0, 2.0], [4.0, 0.0]]


def test_runner_gives_functions_for_all_elements_at_once(tmp_path):
    symbols = ["H", "O"]
    explicit = [f"symfunction_short {c} 2 {e} 0.1 0.0 6.0" for c in symbols for e in symbols]
    explicit += [f"symfunction_short H 3 {p} 0.1 -1 2 5.0" for p in ("H H", "H O", "O O")]
    settings = "\n".join(INPUT.splitlines()[:8]) + "\n"
    brief = "global_symfunction_short 2 0.1 0.0 6.0\nelement_symfunction_short H 3 0.1 -1 2 5.0\n"
    rows = "".join(f"1 {k} 0 1 0.5\n" for k in range(1, 6)) + "".join(f"2 {k} 0 1 0.5\n" for k in range(1, 3))
    weights = {1: 15, 8: 9}
    one = network_of(write(tmp_path / "one", settings + "\n".join(explicit), rows, weights))
    two = network_of(write(tmp_path / "two", settings + brief, rows, weights))
    assert [one.descriptor.functions_of(z) for z in (1, 8)] == [two.descriptor.functions_of(z) for z in (1, 8)]


@pytest.mark.parametrize(
    ("line", "weights", "hidden"),
    [
        ("element_nodes_short H 3 2", {1: 9 + 8 + 3, 8: 6 + 8 + 3}, [(3, 2), (3, 2)]),  # all layers named
        ("element_nodes_short H 5 4", {1: 15 + 12 + 3, 8: 6 + 8 + 3}, [(5, 2), (3, 2)]),  # n2p2 keeps the last
        ("element_nodes_short H 5 4", {1: 15 + 24 + 5, 8: 6 + 8 + 3}, [(5, 4), (3, 2)]),
        ("element_nodes_short H 1 6", {1: 18 + 14 + 3, 8: 6 + 8 + 3}, [(6, 2), (3, 2)]),  # RuNNer: layer 1
    ],
)
def test_nodes_of_one_element(line, weights, hidden, tmp_path):
    text = INPUT.replace("layers_short 1", "layers_short 2").replace("nodes_short 2", "nodes_short 3 2")
    text = text.replace("short t l", "short t p l") + line + "\n"
    network = network_of(write(tmp_path, text, weights=weights))
    assert [network.regressor.hidden_of(s) for s in range(2)] == hidden


def test_activations_of_one_element(tmp_path):
    network = network_of(write(tmp_path, INPUT + "element_activation_short O g l\n"))
    assert [network.regressor.functions_of(s) for s in range(2)] == [("tanh", "identity"), ("gaussian", "identity")]


def test_what_is_left_aside_is_told(tmp_path):
    heard: list[str] = []
    import_n2p2(write(tmp_path, INPUT + "epochs 20\nkalman_type 0\nmy_own 3\n"), remark=heard.append)
    assert heard == ["without effect here: epochs, kalman_type", "unknown, left aside: my_own"]


def test_units_of_the_file(tmp_path):
    write(tmp_path)
    bohr, angstrom = network_of(tmp_path), network_of(tmp_path, units="eV, Å")
    assert angstrom.cutoff == 6.0
    assert bohr.cutoff == pytest.approx(3.175063265418)
    assert bohr.descriptor.functions_of(8)[0].eta == pytest.approx(0.2 / 0.529177210903**2)
    assert bohr.regressor.energy_scale == pytest.approx(27.211386245988)
    constants = {u: next(import_n2p2(tmp_path, units=u).terms()).energies for u in ("eV", "Hartree")}
    torch.testing.assert_close(constants["Hartree"], 27.211386245988 * constants["eV"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cutoff_type 1", "nnp_generation 4", r"input\.nn, line 4: nnp_generation 4: networks with charges"),
        ("cutoff_type 1", "use_electrostatics", "line 4: use_electrostatics stands for charges"),
        ("cutoff_type 1", "use_vdw T", "line 4: use_vdw stands for dispersion"),
        ("cutoff_type 1", "nn_type_short 2", "line 4: nn_type_short 2: networks of pairs"),
        ("cutoff_type 1", "cutoff_type 9", "line 4.*there are 0 to 8"),
        ("cutoff_type 1", "cutoff_type 1 1.5", "line 4.*inner_fraction"),
        ("cutoff_type 1\n", "", "the keyword cutoff_type is missing"),
        ("cutoff_type 1", "cutoff_type 1\ncutoff_type 2", "line 5: cutoff_type stands there twice"),
        ("cutoff_type 1", "cutoff_type 1\nconv_energy 3.0", "belong together"),
        ("number_of_elements 2", "number_of_elements 3", "names 2, number_of_elements says 3"),
        ("elements O H", "elements O Xy", "line 2.*Xy"),
        ("atom_energy H -0.5", "atom_energy C -0.5", "line 3: atom_energy must begin with one of"),
        ("atom_energy H -0.5", "atom_energy H", "line 3: atom_energy has 1 values"),
        ("atom_energy H -0.5", "atom_energy H x", "line 3: atom_energy needs a number where 'x'"),
        ("atom_energy H -0.5", "atom_energy H nan", "line 3: atom_energy needs a finite number where 'nan'"),
        ("global_nodes_short 2", "global_nodes_short inf", "line 7: .*finite number where 'inf'"),
        ("number_of_elements 2 ", "number_of_elements nan ", "line 1: .*finite number where 'nan'"),
        ("H 2 O 0.1 0.0 6.0", "H 2 O 0.1 6.0", "line 9: .* of type 2 takes eta shift cutoff; 2 of these 3"),
        ("H 2 O 0.1 0.0 6.0", "H 5 O 0.1 0.0 6.0", "line 9: .*type 5, which cannot be imported"),
        ("H 2 O 0.1 0.0 6.0", "H 2 C 0.1 0.0 6.0", "line 9: .*names 'C'"),
        ("H 2 O 0.1 0.0 6.0", "H 20 O 0.1 6.0 p7", "line 9: .*core 'p7'"),
        ("short t l", "short t x", "line 8: .*'x' is not known"),
        ("global_nodes_short 2\n", "", "nodes of the hidden layers of H are missing"),
        ("symfunction_short O 2 H 0.2 0.0 6.0\n", "", "O has no symmetry functions"),
    ],
)
def test_broken_input(old, new, message, tmp_path):
    assert old in INPUT
    with pytest.raises(UserError, match=message):
        import_n2p2(write(tmp_path, INPUT.replace(old, new)))


@pytest.mark.parametrize(
    ("scaling", "message"),
    [
        ("1 1 0 1 0.5\n2 1 0 4 0.5\n", "1 of the 2 functions of H in input.nn have no row, the first is number 2"),
        (SCALING.replace("2.0 0.5", "x 0.5"), r"scaling\.data, line 2: the row needs a number where 'x'"),
        (SCALING.replace("2.0 0.5", "nan 0.5"), r"scaling\.data, line 2: the row needs a finite number where 'nan'"),
        (SCALING + "2 2 0 1 0.5\n", "line 5: the row is of element 2, function 2"),
        (SCALING.replace("0.0 2.0", "2.0 2.0"), "line 2: the row has a range of zero"),
    ],
)
def test_broken_scaling(scaling, message, tmp_path):
    with pytest.raises(UserError, match=message):
        import_n2p2(write(tmp_path, scaling=scaling))


UNSCALED = INPUT.replace("scale_symmetry_functions\n", "")


def test_without_scaling_data_nothing_is_known_of_extrapolation(tmp_path):
    (write(tmp_path, UNSCALED) / "scaling.data").unlink()
    network = network_of(tmp_path)
    assert network.lowest is None
    assert network.highest is None


@pytest.mark.parametrize("text", [UNSCALED, UNSCALED + "center_symmetry_functions\n"])
def test_ranges_that_were_written_as_unknown_are_read_as_unknown(text, tmp_path):
    unknown = SCALING.replace("1 2 0.0 2.0", "1 2 -1e+30 1e+30")
    network = network_of(write(tmp_path, text, unknown))
    assert network.lowest is None
    assert network.highest is None


def test_the_deviation_of_a_constant_function_may_be_no_number(tmp_path):
    network = network_of(write(tmp_path, scaling=SCALING.replace("2.0 0.5", "2.0 0.5 -nan")))
    assert network.highest.tolist() == [[1.0, 2.0], [4.0, 0.0]]


def test_no_deviation_in_the_files_of_runner(tmp_path):
    text = INPUT.replace("scale_symmetry_functions", "scale_symmetry_functions_sigma")
    with pytest.raises(UserError, match=r"line 1: the row has no standard deviation"):
        import_n2p2(write(tmp_path, text))


def test_broken_weights(tmp_path):
    with pytest.raises(UserError, match=r"weights\.001\.data: 8 weights do not make the network 2-2-1 of H"):
        import_n2p2(write(tmp_path, weights={1: 8, 8: 7}))
    (tmp_path / "weights.001.data").write_text("0.1\nnan?\n")
    with pytest.raises(UserError, match=r"weights\.001\.data, line 2.*'nan\?'"):
        import_n2p2(tmp_path)
    (tmp_path / "weights.001.data").unlink()
    with pytest.raises(UserError, match=r"there is no .*weights\.001\.data"):
        import_n2p2(tmp_path)
    with pytest.raises(UserError, match="there is no folder"):
        import_n2p2(tmp_path / "nowhere")


@pytest.mark.parametrize(("given", "kept"), [(None, "Hartree, bohr"), ("eV, Å", "eV, Å")])
def test_the_model_file_knows_the_units_of_the_files(given, kept, tmp_path):
    import_("n2p2", write(tmp_path), tmp_path / "model.safetensors", units=given)
    assert header_of(tmp_path / "model.safetensors")["record"]["units_of_files"] == kept
