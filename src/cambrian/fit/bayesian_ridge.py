"""Linear least squares whose ridge the data choose: Bayesian ridge by the evidence.

    min_c |W (X c - y)|² + λ |F (c - c0)|²         F: the model's own prior, elsewhere Γ D (see fit/least_squares.py)
    λ = α/β         prior F (c - c0) ~ N(0, 1/α)         noise of the weighted labels ~ N(0, 1/β)

α and β are those under which the labels are most probable (math/evidence.py): no part of the data is held out, and
nothing is tried twice. The posterior covariance A⁻¹ of the coefficients stays with the potential.
D. J. C. MacKay, Neural Comput. 4, 415 (1992).
"""

from cambrian.contracts.solver import Solution, Solver
from cambrian.fit.linear_system import LinearSystem
from cambrian.fit.problem import Problem, Weights
from cambrian.math.evidence import one_for_all


class BayesianRidge(Solver):
    """Ridge regression that finds its ridge and the noise itself.

    Weights and `posterior_up_to` are those of `LeastSquares`. The ratio of the weights should be that of the accuracy
    hoped for: 100 is right where energies (eV/atom) come out a hundred times as accurate as forces (eV/Å).
    """

    def __init__(
        self,
        *,
        energy_weight: float = 100.0,
        force_weight: float = 1.0,
        stress_weight: float = 1.0,
        groups: dict[str, dict[str, float]] | None = None,
        posterior_up_to: int = 2000,
    ):
        self.weights = Weights(energy_weight, force_weight, stress_weight)
        self.groups, self.posterior_up_to = groups or {}, posterior_up_to

    def solve(self, problem: Problem) -> Solution:
        """Set the coefficients of the linear terms; raises UserError where there is no linear term or no label."""
        system = LinearSystem.of(problem, self.weights, self.groups)
        problem.progress("evidence", 0.0, f"{len(system.start)} coefficients")
        found = one_for_all(*system.standard(), system.triangle.n_rows)
        notes, figures = system.accept(found, self.posterior_up_to)
        figures["ridge"] = float(found.alpha[0] / found.beta)
        note = f"the data decide {figures['n_decided']:.0f} of {figures['n_coefficients']} coefficients; "
        return Solution(notes=[note + f"ridge {figures['ridge']:.2g} by the evidence", *notes], figures=figures)
