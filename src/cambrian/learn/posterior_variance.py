"""A linear potential knows how well the data determine its coefficients, and so each of its forces.

    u_i = sqrt( Σ_x φ_ix Σ φ_ixᵀ )          φ: rows of the force, Σ: posterior covariance of the coefficients, eV/Å

C. M. Bishop, Pattern Recognition and Machine Learning (2006), section 3.3.
"""

from torch import Tensor

from cambrian.contracts.committee import Committee
from cambrian.contracts.potential import Potential
from cambrian.contracts.spread import uncertainty
from cambrian.contracts.trigger import Measure, Trigger, limits
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError
from cambrian.graph import Graph


class PosteriorVariance(Trigger):
    """Standard deviation of the forces under the posterior of a linear potential, eV/Å."""

    unit = "eV/Å"

    def __init__(self, *, low: float = 0.1, high: float = 0.5):
        self.low, self.high = limits(low, high)

    def measure(self, potential: Potential, known: Dataset) -> Measure:
        """The standard deviation that the potential itself knows."""
        if any(isinstance(term, Committee) for term in potential.terms()):
            raise UserError("a committee tells its uncertainty by CommitteeDisagreement; PosteriorVariance is for one")
        if all(term.posterior is None for term in potential.terms()):
            raise UserError(
                "only a linear potential fitted by least squares (LeastSquares, BayesianRidge ...) keeps a posterior; "
                "take another trigger"
            )

        def deviation(graph: Graph) -> Tensor:
            return uncertainty(potential, graph).forces

        return deviation

    @classmethod
    def example(cls) -> "PosteriorVariance":
        """The usual limits."""
        return cls()
