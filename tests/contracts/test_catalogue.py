"""The folder is the catalogue, the constructor the configuration: found, described, built again, refused in words."""

import inspect

import pytest
from contracts.subjects import OWN

from cambrian.configurable import describe
from cambrian.contracts import Potential, Regressor, Solver
from cambrian.contracts.catalogue import build, classes, configurables, construct, contracts
from cambrian.errors import UserError
from cambrian.fit.least_squares import LeastSquares

ALL = {name: cls for name, cls in configurables().items() if name not in OWN}


def test_the_rooms_are_found():
    assert {"IsolatedAtoms", "Sum", "Frozen", "Committee"} <= set(classes(Potential))
    assert "LinearRegressor" in classes(Regressor)
    assert "LeastSquares" in classes(Solver)
    assert not any(inspect.isabstract(cls) for cls in ALL.values())


@pytest.mark.parametrize("name", ALL)
def test_no_concrete_class_has_descendants(name):
    """A class of the package is abstract or final, whatever other tests derive from it."""
    assert not [c.__name__ for c in ALL[name].__subclasses__() if c.__module__.startswith("cambrian.")]


@pytest.mark.parametrize("name", ALL)
def test_example_is_described_and_built_again(name):
    if not hasattr(ALL[name], "example"):
        pytest.skip("its contract asks for no example")
    try:
        words = describe(ALL[name].example())
    except UserError as reason:
        pytest.skip(str(reason))
    assert list(words) == [name]
    assert describe(build(words)) == words


@pytest.mark.parametrize("name", ALL)
def test_unknown_key_is_refused_with_the_nearest(name):
    parameters = inspect.signature(ALL[name]).parameters.values()
    keys = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    wrong = f"{keys[0]}x" if keys else "nonsense"
    with pytest.raises(UserError) as refused:
        build({name: {wrong: 1}})
    assert f"'{wrong}'" in str(refused.value)
    if keys:
        assert f"did you mean '{keys[0]}'" in str(refused.value)


@pytest.mark.parametrize("name", ALL)
def test_defaults_live_in_the_signature(name):
    """Constructors take hyperparameters only: what they take can stand in a configuration."""
    for p in inspect.signature(ALL[name]).parameters.values():
        if p.default is not p.empty:
            describe(p.default)


def test_unknown_class_is_refused_with_the_nearest():
    with pytest.raises(UserError, match=r"did you mean 'LinearRegressor'"):
        build({"LinearRegresor": {}})


@pytest.mark.parametrize("arguments", [[1, 2], "abc", 5])
def test_arguments_must_have_names(arguments):
    with pytest.raises(UserError, match="named arguments"):
        build({"IsolatedAtoms": arguments})


def test_wrong_kind_is_refused():
    with pytest.raises(UserError, match="a number"):
        build({"LeastSquares": {"ridge": "much"}})


def test_a_mapping_with_one_key_stays_a_mapping():
    """A group called Bulk, or an element, is no class, whatever its first letter."""
    solver = LeastSquares(groups={"Bulk": {"energy": 2.0, "force": 1.0}})
    assert build(describe(solver)).groups == solver.groups
    again = construct(LeastSquares, {"groups": {"Sum": {"energy": 3.0}}}, where="test")
    assert again.groups == {"Sum": {"energy": 3.0}}
    assert build({"IsolatedAtoms": {"energies": {"H": -13.6}}}).known == {1: -13.6}


def test_every_contract_has_a_name_of_its_own():
    """What a message or the schema calls a RadialBasis is one thing."""
    names = [contract.__name__ for contract in contracts()]
    assert sorted(names) == sorted(set(names))
