"""An environment outside the range of the training set's features is one the potential was never shown.

    u_ik = max( G_ik - G_k^max, G_k^min - G_ik, 0 ) / w_k          w_k = G_k^max - G_k^min          u_i = max_k u_ik

with the range of each element's features over the training set, which the potential carries. A feature that hardly
varies there counts with a thousandth of the widest range, so that any sight of what was absent is seen. One feature of
one atom outside its range is an extrapolation warning, as n2p2 counts them. Where a linear fit kept its active set, all
features taken together are one more, in the same unit (contracts/grade.py).

A. Singraber, J. Behler, C. Dellago, J. Chem. Theory Comput. 15, 1827 (2019) (extrapolation warnings).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from cambrian.contracts.committee import Committee
from cambrian.contracts.descriptor_potential import DescriptorPotential
from cambrian.contracts.grade import LEAST_WIDTH, beyond, grade
from cambrian.contracts.potential import Potential
from cambrian.data.dataset import Dataset
from cambrian.elements import symbol
from cambrian.errors import UserError
from cambrian.graph import Graph

ROUNDING = 1e-9  # in widths: the same structure by another route


@dataclass(frozen=True)
class Outside:
    """A feature of an atom outside its range: `severity` in widths of the range, `above` it or below.

    `grade` is γ where it is all features together that lie outside, else 0.
    """

    atom: int
    element: str
    feature: str
    severity: float
    above: bool
    grade: float = 0.0

    def __str__(self) -> str:
        if self.grade:
            place = f"{self.element} {self.atom}: {self.feature}"
            return f"{place}: grade {self.grade:.3g}, {self.severity:.2g} widths outside the training range"
        side = "above" if self.above else "below"
        return f"{self.element} {self.atom}: {self.feature}: {self.severity:.2g} widths {side} the training range"


@dataclass(frozen=True)
class FeatureRange:
    """Lowest and highest value of every feature for each element of a term."""

    term: DescriptorPotential
    lowest: Float[Tensor, "elements features"]
    highest: Float[Tensor, "elements features"]
    combinations: Float[Tensor, "elements columns columns"] | None = None

    @classmethod
    def stored(cls, term: DescriptorPotential) -> "FeatureRange":
        """The ranges that the term keeps of its training set; raises UserError for one from before they were kept."""
        if term.lowest is None or term.highest is None:
            raise UserError(
                "this potential was fitted before ranges of features were kept; fit it again to be told where it "
                "extrapolates"
            )
        return cls(term, term.lowest, term.highest, term.combinations)

    @classmethod
    def of(cls, term: DescriptorPotential, known: Dataset) -> "FeatureRange":
        """Those of its training set; where the term does not keep them, computed over all atoms of `known`."""
        if term.lowest is None:
            return cls(term, *term.ranges(known))
        return cls.stored(term)

    @property
    def n_measures(self) -> int:
        """Number of columns of `Seen.outside`."""
        return self.lowest.shape[1] + (self.combinations is not None)

    def grades(
        self, features: Float[Tensor, "atoms features"], species: Int[Tensor, "atoms"]
    ) -> Float[Tensor, "atoms"] | None:
        """γ of each atom; None where no active set was kept."""
        return None if self.combinations is None else grade(self.combinations, features, species)

    def outside(
        self, features: Float[Tensor, "atoms features"], species: Int[Tensor, "atoms"]
    ) -> Float[Tensor, "atoms features"]:
        """How far outside its range every feature of each atom lies, in widths; zero inside, NaN counts as infinite."""
        width = self.highest - self.lowest
        width = torch.maximum(width, LEAST_WIDTH * width.amax(dim=1, keepdim=True)).clamp(min=1e-12)[species]
        beyond = torch.maximum(features - self.highest[species], self.lowest[species] - features) / width
        return torch.where(beyond <= ROUNDING, 0.0, beyond).nan_to_num(nan=torch.inf)

    def seen(self, graph: Graph) -> "Seen":
        """Features of a graph beside their ranges, computed for it."""
        near = graph.within(self.term.cutoff)
        with torch.no_grad():
            features = self.term.fastest.features(near)
        return self.judged(features, graph.numbers)

    def judged(self, features: Float[Tensor, "atoms features"], numbers: Int[Tensor, "atoms"]) -> "Seen":
        """Features of atoms beside their ranges."""
        species = torch.searchsorted(self.term.elements, numbers)
        outside, grades = self.outside(features, species), self.grades(features, species)
        if grades is not None:
            outside = torch.cat([outside, beyond(grades)[:, None]], dim=1)
        return Seen(self, features, species, outside, grades)

    def excess(self, graph: Graph) -> Float[Tensor, "atoms"]:
        """How far outside the range, in its widths, the worst feature of each atom lies."""
        return self.seen(graph).outside.amax(dim=1)


def described(potential: Potential) -> list[DescriptorPotential]:
    """The terms with a descriptor of atoms, a committee's first member lending its own.

    Raises UserError where there is none.
    """
    terms = [inner for term in potential.terms() for inner in _terms_of(term)]
    found = [t for t in terms if isinstance(t, DescriptorPotential) and t.descriptor.per == "atom"]
    if not found:
        raise UserError(
            "extrapolation is told from the features of a descriptor of atoms, which this potential does not have; the "
            "disagreement of a committee (fit --committee 4, the trigger CommitteeDisagreement) tells it of any"
        )
    return found


def _terms_of(term: Potential) -> list[Potential]:
    return list(term.members[0].terms()) if isinstance(term, Committee) else [term]


@dataclass(frozen=True)
class Seen:
    """What one evaluation showed of one term: `outside` (atoms, measures) in widths.

    A measure is a feature; the last one is all of them together where `grades` (atoms,) are known.
    """

    range: FeatureRange
    features: Float[Tensor, "atoms features"]
    species: Int[Tensor, "atoms"]
    outside: Float[Tensor, "atoms measures"]
    grades: Float[Tensor, "atoms"] | None = None

    def element(self, species: int) -> str:
        """Symbol of the element of an index."""
        return symbol(int(self.range.term.elements[species]))

    def where(self, atom: int, feature: int) -> Outside:
        """A measure of an atom in words."""
        s = int(self.species[atom])
        if self.grades is not None and feature == self.features.shape[1]:
            severity, found = float(self.outside[atom, feature]), float(self.grades[atom])
            return Outside(atom, self.element(s), "all features together", severity, above=True, grade=found)
        return Outside(
            atom=atom,
            element=self.element(s),
            feature=self.range.term.descriptor.name_of(int(self.range.term.elements[s]), feature),
            severity=float(self.outside[atom, feature]),
            above=bool(self.features[atom, feature] > self.range.highest[s, feature]),
        )

    @property
    def worst(self) -> Outside | None:
        """What lies furthest outside; None where nothing does."""
        if not len(self.outside) or not self.outside.any():
            return None
        atom, feature = divmod(int(self.outside.argmax()), self.outside.shape[1])
        return self.where(atom, feature)


class ExtrapolationWatch:
    """Looks on while a potential is evaluated by anyone: `with ExtrapolationWatch(potential) as watch: ...`.

    It judges the very features the forces are made of, so that it costs a comparison. Raises UserError for a potential
    that cannot tell.
    """

    def __init__(self, potential: Potential):
        self.ranges = [FeatureRange.stored(term) for term in described(potential)]
        self._shown: dict[int, tuple[Graph, Tensor]] = {}

    @property
    def computes_features(self) -> bool:
        """Whether watching makes some term compute features that it would not need for its forces."""
        terms = [r.term for r in self.ranges]
        return any(t.regressor.constant_slopes() is not None and t.descriptor.kernel() is not None for t in terms)

    def listen(self, to: bool = True) -> None:
        """Look at coming evaluations, or let them pass."""
        for k, known in enumerate(self.ranges):
            known.term.observer = self._keeper(k) if to else None
        self._shown = {}

    def __enter__(self) -> "ExtrapolationWatch":
        self.listen()
        return self

    def __exit__(self, *exception) -> None:
        self.listen(False)

    def _keeper(self, k: int):
        def keep(graph: Graph, features: Tensor) -> None:
            self._shown[k] = graph, features

        return keep

    def seen(self) -> list[Seen]:
        """What the last evaluation showed of each term; empty where there was none."""
        shown = [(r, *self._shown[k]) for k, r in enumerate(self.ranges) if k in self._shown]
        return [known.judged(features, graph.numbers) for known, graph, features in shown]

    def seen_together(self, numbers: Tensor, gathered: Callable[[Tensor | None, int], Tensor]) -> list[Seen]:
        """The same where several ranks evaluated a part each; `numbers` are those of all atoms.

        `gathered` makes rows of this rank those of all atoms; it is called for each term with the features that were
        shown here (None where there were none) and their number.
        """
        shown = [self._shown[k][1] if k in self._shown else None for k in range(len(self.ranges))]
        rows = [gathered(part, r.lowest.shape[1]) for part, r in zip(shown, self.ranges, strict=True)]
        return [r.judged(all_rows, numbers) for r, all_rows in zip(self.ranges, rows, strict=True)]


def can_tell(potential: Potential) -> bool:
    """Whether a potential keeps ranges of features."""
    try:
        return bool(ExtrapolationWatch(potential))
    except UserError:
        return False


def extrapolation_of(potential: Potential, data: Dataset) -> Iterator[tuple[NDArray, NDArray | None, Outside | None]]:
    """Severity and grade of each atom of every structure, and what lies furthest outside.

    No grade where no active set was kept, None where nothing lies outside.
    """
    ranges = [FeatureRange.stored(term) for term in described(potential)]
    for graph in data.graphs(potential.cutoff):
        seen = [known.seen(graph) for known in ranges]
        graded = highest_grade(seen)
        yield severities(seen).cpu().numpy(), None if graded is None else graded.cpu().numpy(), worst(seen)


def severities(seen: list[Seen]) -> Float[Tensor, "atoms"]:
    """How far outside its ranges each atom lies by its worst feature."""
    return torch.stack([s.outside.amax(dim=1) for s in seen]).amax(dim=0)


def highest_grade(seen: list[Seen]) -> Float[Tensor, "atoms"] | None:
    """γ of each atom by the term that knows it least; None where no term kept an active set."""
    known = [s.grades for s in seen if s.grades is not None]
    return torch.stack(known).amax(dim=0) if known else None


def worst(seen: list[Seen]) -> Outside | None:
    """What lies furthest outside among all terms; None where nothing does."""
    found = [w for s in seen if (w := s.worst) is not None]
    return max(cast(list[Outside], found), key=lambda w: w.severity, default=None)
