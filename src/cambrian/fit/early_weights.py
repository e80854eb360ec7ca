"""Weights with which a training begins, and which fade as the learning rate falls.

    w²(t) = f w_early² + (1 - f) w²        f = learning rate / largest learning rate so far

so that, as Deep Potentials are trained, forces shape the energy surface first and energies are set right at the end. A
rate that rises first, as in a warm-up, leaves the early weights as they are until it falls.
L. Zhang et al., NeurIPS 31 (2018), arXiv:1805.09003, where the prefactors p are the w².
"""

from dataclasses import replace

from cambrian.configurable import Configurable
from cambrian.fit.problem import Weights


class EarlyWeights(Configurable):
    """What `energy`, `force` and `stress` residuals are multiplied by until the learning rate falls."""

    rooms = ("fit",)

    def __init__(self, *, energy: float = 0.0, force: float = 1.0, stress: float = 0.0):
        self.energy, self.force, self.stress = energy, force, stress

    def faded(self, late: Weights, factor: float) -> Weights:
        """Between these and the late ones, where the learning rate has fallen to `factor` of its largest."""

        def between(early: float, at_the_end: float) -> float:
            return (factor * early**2 + (1 - factor) * at_the_end**2) ** 0.5

        return replace(
            late,
            energy=between(self.energy, late.energy),
            force=between(self.force, late.force),
            stress=between(self.stress, late.stress),
        )
