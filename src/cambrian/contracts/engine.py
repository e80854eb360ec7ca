"""How a potential is run: by its compiled route where there is one and it agrees with the truth, else by the truth.

The first structure is computed both ways; agreement is remembered per machine, library and model, disagreement refused.
"""

import hashlib
import os
import platform
from collections.abc import Callable
from pathlib import Path

import torch

from cambrian.contracts.archive import fingerprint
from cambrian.contracts.committee import Committee
from cambrian.contracts.evaluate import Prediction, evaluate, refuse_unknown_elements
from cambrian.contracts.force_model import ForceModel, Model
from cambrian.contracts.potential import Potential, Sum
from cambrian.contracts.spread import Spread, uncertainty
from cambrian.graph import Graph

Predictor = Callable[[Graph], Prediction]
TOLERANCE = 1e-8  # relative, on energy and forces


def predictor(potential: Model) -> Predictor:
    """The fastest route from a graph to the prediction of `potential`; of a model of forces alone, energies are NaN."""
    if isinstance(potential, ForceModel):
        return potential.predict
    routes = [(term, term.native()) for term in potential.terms()]
    compiled = [route for _, route in routes if route is not None]
    if not compiled:
        return lambda graph: evaluate(potential, graph)
    rest = [term for term, route in routes if route is None]
    remainder = Sum(rest) if rest else None

    def fast(graph: Graph) -> Prediction:
        refuse_unknown_elements(potential, graph)
        parts = [route(graph) for route in compiled]
        if remainder is not None:
            parts.append(evaluate(remainder, graph.within(remainder.cutoff)))
        return Prediction.sum(parts)

    return _Checked(potential, fast)


def spread_of(potential: Potential) -> Callable[[Graph], Spread]:
    """`uncertainty` of `potential` for many graphs: members of a committee each by their fastest route."""
    committees = [term for term in potential.terms() if isinstance(term, Committee)]
    if len(committees) != 1:
        return lambda graph: uncertainty(potential, graph)
    members = [predictor(member) for member in committees[0].members if isinstance(member, Potential)]
    return lambda graph: Spread.of([predict(graph) for predict in members])


class _Checked:
    """A compiled route that proves itself on its first structure."""

    def __init__(self, potential: Potential, fast: Predictor):
        self.potential, self.fast = potential, fast
        self.stamp = _cache_folder() / f"checked-{_machine()}-{fingerprint(potential)[:24]}"
        self.proven = self.stamp.exists()

    def __call__(self, graph: Graph) -> Prediction:
        prediction = self.fast(graph)
        if not self.proven and graph.n_edges > 0:
            truth = evaluate(self.potential, graph)
            for name in ("energy", "forces"):
                quick, slow = getattr(prediction, name), getattr(truth, name)
                worst = float((quick - slow).abs().max() / slow.abs().max().clamp(min=1.0))
                if not worst < TOLERANCE:
                    raise RuntimeError(
                        f"the compiled kernel disagrees with the reference by {worst:.1e} in {name} on this machine; "
                        "set CAMBRIAN_NATIVE_ISA=none to run without it, and report this"
                    )
            self.proven = True
            self._remember()
        return prediction

    def _remember(self) -> None:
        try:
            self.stamp.parent.mkdir(parents=True, exist_ok=True)
            self.stamp.touch()
        except OSError:
            return  # a home that cannot be written only means that the next run checks again


def _cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "cambrian"


def _machine() -> str:
    from cambrian.native.library import identity

    words = f"{platform.node()} {platform.machine()} {torch.__version__} {identity()}"
    return hashlib.sha256(words.encode()).hexdigest()[:12]
