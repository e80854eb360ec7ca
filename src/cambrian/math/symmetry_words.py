"""Symmetry functions in the words of their parameters: for messages and tables, and as rows of a list of functions."""

from collections.abc import Sequence

from cambrian.math.symmetry_functions import AnyFunction, SymmetryFunction


def words(function: AnyFunction, names: Sequence[str]) -> str:
    """What a function is: `wide Si-Si, η 0.05 1/Å², ζ 4, λ -1`; `names` are those of the elements."""
    neighbors = "-".join(names[s] for s in function.neighbors) or "all, weighted"
    angular = function.kind != "radial"
    if isinstance(function, SymmetryFunction):
        parts = [f"η {function.eta:.3g} 1/Å²"]
        parts += [f"shift {function.shift:.3g} Å"] if function.shift else []
        parts += [f"ζ {function.zeta:g}", f"λ {function.lam:g}"] if angular else []
    else:
        core = function.core + ("a" if function.asymmetric else "")
        parts = [f"{core} from {function.lower:.3g} to {function.cutoff:.3g} Å"]
        parts += [f"{function.angle_low:g}° to {function.angle_high:g}°"] if angular else []
    return ", ".join([f"{function.kind} {neighbors}", *parts])


def row(function: AnyFunction, names: Sequence[str]) -> dict[str, str | float]:
    """A function as `Listed` takes it; `names` are those of the elements."""
    found: dict[str, str | float] = {"kind": function.kind}
    if function.neighbors:
        found["neighbors"] = "-".join(names[s] for s in function.neighbors)
    angular = function.kind != "radial"
    if isinstance(function, SymmetryFunction):
        found |= {"eta": float(function.eta), "shift": float(function.shift), "cutoff": float(function.cutoff)}
        return found | ({"zeta": float(function.zeta), "lambda": float(function.lam)} if angular else {})
    found |= {"core": function.core, "lower": function.lower, "cutoff": function.cutoff}
    found |= {"asymmetric": function.asymmetric} if function.asymmetric else {}
    return found | ({"angle_low": function.angle_low, "angle_high": function.angle_high} if angular else {})
