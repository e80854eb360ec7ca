"""How a potential is run: by its compiled route where there is one and it agrees with the truth, else by the truth.

The first structure, or some atoms of it where it is large, is computed both ways; agreement is remembered per machine,
library and model, disagreement refused.
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
MANY = 100  # atoms of each element that are computed both ways: the truth takes megabytes for each


def predictor(potential: Model) -> Predictor:
    """The fastest route from a graph to the prediction of `potential`; of a model of forces alone, energies are NaN."""
    if isinstance(potential, ForceModel):
        return potential.predict
    routes = [(term, term.native()) for term in potential.terms()]
    if all(route is None for _, route in routes):
        return lambda graph: evaluate(potential, graph)
    rest = [term for term, route in routes if route is None]
    remainder = Sum(rest) if rest else None
    compiled = _Checked(potential, [(term, route) for term, route in routes if route is not None])

    def fast(graph: Graph) -> Prediction:
        refuse_unknown_elements(potential, graph)
        prediction = compiled(graph)
        if remainder is None:
            return prediction
        return Prediction.sum([prediction, evaluate(remainder, graph.within(remainder.cutoff))])

    return fast


def spread_of(potential: Potential) -> Callable[[Graph], Spread]:
    """`uncertainty` of `potential` for many graphs: members of a committee each by their fastest route."""
    committees = [term for term in potential.terms() if isinstance(term, Committee)]
    if len(committees) != 1:
        return lambda graph: uncertainty(potential, graph)
    members = [predictor(member) for member in committees[0].members if isinstance(member, Potential)]
    return lambda graph: Spread.of([predict(graph) for predict in members])


class _Checked:
    """Compiled routes of terms that prove themselves on the first structure, added up."""

    def __init__(self, potential: Potential, routes: list[tuple[Potential, Predictor]]):
        self.truth = Sum([term for term, _ in routes])
        self.routes = [route for _, route in routes]
        self.stamp = _cache_folder() / f"checked-{_machine()}-{fingerprint(potential)[:24]}"
        self.proven = self.stamp.exists()

    def __call__(self, graph: Graph) -> Prediction:
        if not self.proven:
            self._prove(_few(graph) if self.truth.scope == "local" else graph)
        return self._sum(graph)

    def _sum(self, graph: Graph) -> Prediction:
        return Prediction.sum([route(graph) for route in self.routes])

    def _prove(self, graph: Graph) -> None:
        if graph.n_edges == 0:
            return
        found, truth = self._sum(graph), evaluate(self.truth, graph.within(self.truth.cutoff))
        for name in ("energy", "forces"):
            quick, slow = getattr(found, name), getattr(truth, name)
            worst = float((quick - slow).abs().max() / slow.abs().max().clamp(min=1.0))
            if not worst < TOLERANCE:
                raise RuntimeError(
                    f"the compiled kernel disagrees with the reference by {worst:.1e} in {name} on this machine; "
                    "set CAMBRIAN_NATIVE_ISA=none to run without it, and report this"
                )
        self.proven = True
        self._remember()

    def _remember(self) -> None:
        try:
            self.stamp.parent.mkdir(parents=True, exist_ok=True)
            self.stamp.touch()
        except OSError:
            return  # a home that cannot be written only means that the next run checks again


def _few(graph: Graph) -> Graph:
    """MANY atoms of each element, far apart, and what they see; all where there are no more."""
    if graph.n_atoms <= MANY:
        return graph
    chosen = torch.zeros(graph.n_atoms, dtype=torch.bool, device=graph.numbers.device)
    for number in graph.numbers.unique():
        of_element = torch.nonzero(graph.owned & (graph.numbers == number))[:, 0]
        chosen[of_element[:: max(1, len(of_element) // MANY)][:MANY]] = True
    return graph.around(chosen)


def _cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "cambrian"


def _machine() -> str:
    from cambrian.native.library import identity

    words = f"{platform.node()} {platform.machine()} {torch.__version__} {identity()}"
    return hashlib.sha256(words.encode()).hexdigest()[:12]
