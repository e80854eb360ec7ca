"""Linear least squares with a prior for each coefficient of its own: what the data do not ask for is left out (ARD).

    min_c |W (X c - y)|² + Σ_k λ_k |D_k (c_k - c0_k)|²          λ_k = α_k/β, all by the evidence (math/evidence.py)

A column whose α_k grows without bound explains nothing that others do not explain as well; its coefficient is nought
(c0, where a fit goes on). D: column norms. From the triangle of the rows, never from the rows.
M. E. Tipping, J. Mach. Learn. Res. 1, 211 (2001); for linear potentials W. C. Witt et al., J. Chem. Phys. 159, 164101
(2023).
"""

from cambrian.contracts.solver import Solution, Solver
from cambrian.errors import UserError
from cambrian.fit.linear_system import LinearSystem
from cambrian.fit.problem import Problem, Weights
from cambrian.math.evidence import one_each


class AutomaticRelevance(Solver):
    """Automatic relevance determination: finds the noise, and which coefficients are needed.

    Weights and `posterior_up_to` (of those that stay) are those of `LeastSquares`. Iterations end when the log evidence
    changes by less than `tolerance`, or after `most_iterations`.
    """

    def __init__(
        self,
        *,
        energy_weight: float = 100.0,
        force_weight: float = 1.0,
        stress_weight: float = 1.0,
        tolerance: float = 0.1,
        most_iterations: int = 300,
        groups: dict[str, dict[str, float]] | None = None,
        posterior_up_to: int = 2000,
    ):
        if tolerance <= 0 or most_iterations < 1:
            raise UserError("tolerance is above 0, and most_iterations at least 1")
        self.weights = Weights(energy_weight, force_weight, stress_weight)
        self.tolerance, self.most_iterations = tolerance, most_iterations
        self.groups, self.posterior_up_to = groups or {}, posterior_up_to

    def solve(self, problem: Problem) -> Solution:
        """Set the coefficients of the linear terms.

        Raises UserError where there is no linear term or no label, or a model has a prior of its own (a kernel).
        """
        system = LinearSystem.of(problem, self.weights, self.groups)
        if system.prior.size:
            raise UserError(
                "a kernel has a prior of its own that couples its coefficients: take --set solver=BayesianRidge, or "
                "LeastSquares"
            )

        def told(iteration: int, n_kept: int) -> None:
            problem.progress("relevance", iteration / self.most_iterations, f"{n_kept} coefficients left")

        found = one_each(
            *system.standard(),
            system.triangle.n_rows,
            tolerance=self.tolerance,
            most_iterations=self.most_iterations,
            progress=told,
        )
        by_group, figures = system.accept(found, self.posterior_up_to)
        figures["n_iterations"] = found.n_iterations
        notes = [f"{figures['n_kept']} of {figures['n_coefficients']} coefficients are relevant, the others nought"]
        notes += by_group
        if found.n_iterations >= self.most_iterations:
            notes.append("relevance had not settled when the iterations ended: raise solver.most_iterations")
        return Solution(notes=notes, figures=figures)
