"""Which covariances between parameters a Kalman filter keeps, and whether they fit into memory."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from cambrian.configurable import Configurable
from cambrian.errors import UserError
from cambrian.fit.memory import SHARE, available_memory
from cambrian.math.kalman import BlockCovariance


class CovarianceLayout(Configurable, ABC):
    """Blocks of parameters; between blocks nothing is kept."""

    rooms = ("fit",)

    @abstractmethod
    def sizes(self, parameters: Sequence[Tensor]) -> list[int]:
        """How many parameters each block has, in their order."""

    def start(self, parameters: Sequence[Tensor], variance: float, *, copies: float = 1.0) -> BlockCovariance:
        """The covariance at the start; raises UserError where so many copies of it do not fit into memory."""
        sizes = self.sizes(parameters)
        needed, free = 8.0 * copies * sum(n**2 for n in sizes), available_memory()
        if needed > SHARE * free:
            raise UserError(
                f"the covariance of {sum(sizes)} parameters takes {needed / 1e9:.1f} GB of {free / 1e9:.1f} GB free; "
                "take solver.covariance=ByLayers (with smaller blocks), or GradientDescent"
            )
        return BlockCovariance(sizes, variance)


class FullCovariance(CovarianceLayout):
    """All of them: n² numbers, and as many operations for each update."""

    def sizes(self, parameters: Sequence[Tensor]) -> list[int]:
        """One block."""
        return [sum(p.numel() for p in parameters)]


class ByLayers(CovarianceLayout):
    """Within layers alone, layers joined up to `block` parameters and split where they have more.

    S. Hu et al., Proc. AAAI Conf. Artif. Intell. 37, 7910 (2023).
    """

    def __init__(self, *, block: int = 5000):
        if block < 1:
            raise UserError(f"a block has one parameter at least, not {block}")
        self.block = block

    def sizes(self, parameters: Sequence[Tensor]) -> list[int]:
        """Neighboring tensors together, as many as fit."""
        found: list[int] = []
        for p in parameters:
            n = p.numel()
            if found and found[-1] + n <= self.block:
                found[-1] += n
                continue
            whole, rest = divmod(n, self.block)
            found += [self.block] * whole + ([rest] if rest else [])
        return found
