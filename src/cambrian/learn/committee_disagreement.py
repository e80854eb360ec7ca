"""Members of a committee disagree where the data did not tell them what to say.

    u_i = sqrt( <|F_i - <F_i>|²> )          over the members, eV/Å

H. S. Seung, M. Opper, H. Sompolinsky, COLT 1992; N. Artrith, J. Behler, Phys. Rev. B 85, 045439 (2012).
"""

from cambrian.contracts.committee import Committee
from cambrian.contracts.engine import spread_of
from cambrian.contracts.potential import Potential
from cambrian.contracts.trigger import Measure, Trigger, limits
from cambrian.data.dataset import Dataset
from cambrian.errors import UserError


class CommitteeDisagreement(Trigger):
    """How far the forces of a committee's members lie apart, eV/Å."""

    unit = "eV/Å"

    def __init__(self, *, low: float = 0.1, high: float = 0.5):
        self.low, self.high = limits(low, high)

    def measure(self, potential: Potential, known: Dataset) -> Measure:
        """The disagreement of the members, each by its fastest route."""
        if not isinstance(potential, Committee):
            raise UserError(
                "members disagree only in a committee: fit one (cambrian fit --committee 4; `committee:` in a workflow)"
            )
        spread = spread_of(potential)
        return lambda graph: spread(graph).forces

    @classmethod
    def example(cls) -> "CommitteeDisagreement":
        """The usual limits."""
        return cls()
