"""When learning is done: the potential is sure of nearly all that it meets, and right about the rest."""

from cambrian.configurable import Configurable
from cambrian.errors import UserError
from cambrian.learn.round import Round


class Stop(Configurable):
    """Calm is a round with `accurate_fraction` of its frames below the trigger's lower limit, `rounds` times in a row.

    Where `force_rmse` (eV/Å) is given, the candidates that were labelled must also have come out below it, with the
    potential that proposed them.
    """

    def __init__(self, *, accurate_fraction: float = 0.95, force_rmse: float | None = None, rounds: int = 1):
        if not 0 < accurate_fraction <= 1 or rounds < 1 or (force_rmse is not None and not force_rmse > 0):
            raise UserError("stop needs 0 < accurate_fraction <= 1, force_rmse above 0 and rounds >= 1")
        self.accurate_fraction, self.force_rmse, self.rounds = accurate_fraction, force_rmse, rounds

    def reached(self, rounds: list[Round]) -> bool:
        """Whether the last rounds were calm."""
        last = [r for r in rounds if r.number > 0][-self.rounds :]
        return len(last) == self.rounds and all(self._calm(r) for r in last)

    def _calm(self, r: Round) -> bool:
        error = r.candidate_force_rmse
        right = self.force_rmse is None or error is None or error <= self.force_rmse
        return r.accurate_fraction is not None and r.accurate_fraction >= self.accurate_fraction and right
