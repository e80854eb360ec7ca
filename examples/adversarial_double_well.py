"""Adversarial attack in a plane: an ensemble that knows one well finds its way over the barrier, in a few rounds.

    V(x, y) = 5 x⁴ - 10 x² + 5 y²        wells of -5 at x = ±1, a barrier of 0 between them

Five small networks are trained on points of the right well. An attack looks for points of low energy on which they
disagree (the objective of `cambrian.sample.attack`); the truth labels them, and the networks are trained again. Each
round prints what it found, and a figure shows where it looked. Takes about ten seconds.
"""

import argparse
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cambrian.sample.attack import Opinions, climb, log_likelihood
from cambrian.units import BOLTZMANN

N_MEMBERS, HIDDEN = 5, 16
KT = 1.0  # of the attack, in the units of V; the barrier is five times as high
NO_LIMIT = float("inf")  # k T at which the energy no longer counts: uncertainty alone


def truth(points: Tensor) -> tuple[Tensor, Tensor]:
    """Energies (points,) and forces (points, 2)."""
    x, y = points[:, 0], points[:, 1]
    return 5 * x**4 - 10 * x**2 + 5 * y**2, -torch.stack([20 * x**3 - 20 * x, 10 * y], dim=1)


def right_well(n: int, seed: int, kT: float = 0.25) -> Tensor:
    """Points (n, 2) of thermal motion in the right well, by rejection."""
    rng = torch.Generator().manual_seed(seed)
    box = torch.rand(200 * n, 2, generator=rng, dtype=torch.float64)
    box = torch.stack([1.7 * box[:, 0], 2 * box[:, 1] - 1], dim=1)
    energy, _ = truth(box)
    kept = torch.rand(len(box), generator=rng, dtype=torch.float64) < torch.exp(-(energy + 5) / kT)
    return box[kept][:n]


class Ensemble(nn.Module):
    """Networks of one shape with weights of their own, evaluated together."""

    def __init__(self, seed: int):
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        sizes = (2, HIDDEN, HIDDEN, 1)
        shapes = list(zip(sizes[:-1], sizes[1:], strict=True))
        self.weights = nn.ParameterList(
            torch.randn(N_MEMBERS, a, b, generator=rng, dtype=torch.float64) / a**0.5 for a, b in shapes
        )
        self.biases = nn.ParameterList(
            torch.randn(N_MEMBERS, 1, b, generator=rng, dtype=torch.float64) * 0.3 for _, b in shapes
        )

    def opinions(self, points: Tensor) -> Opinions:
        """Energies and forces of every member, differentiable by the points."""
        seen = values = points.expand(N_MEMBERS, -1, -1)  # each member's own, so that one derivative serves all
        layers = list(zip(self.weights, self.biases, strict=True))
        for weight, bias in layers[:-1]:
            values = torch.tanh(values @ weight + bias)
        energies = (values @ layers[-1][0] + layers[-1][1])[..., 0] * 5.0
        forces = -torch.autograd.grad(energies.sum(), seen, create_graph=True)[0]
        return Opinions(energies, forces, torch.arange(len(points)))

    def at(self, points: Tensor) -> Opinions:
        """Opinions on points that nobody differentiates by."""
        said = self.opinions(points.clone().requires_grad_())
        return Opinions(said.energies.detach(), said.forces.detach(), said.structure)

    def train_on(self, points: Tensor, *, n_steps: int = 300) -> None:
        """All points at once, loss 0.1 · energy² + forces², each member by itself."""
        energy, forces = truth(points)
        variables = points.clone().requires_grad_()
        solver = torch.optim.LBFGS(self.parameters(), max_iter=n_steps, history_size=30, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            solver.zero_grad()
            said = self.opinions(variables)
            value = 0.1 * ((said.energies - energy) ** 2).mean() + ((said.forces - forces) ** 2).mean()
            value.backward(inputs=list(self.parameters()))
            return value

        solver.step(loss)


def attack(ensemble: Ensemble, known: Tensor, *, kT: float, n: int, seed: int) -> Tensor:
    """The ends (n, 2) of attacks from known points drawn at random."""
    rng = torch.Generator().manual_seed(seed)
    starts = known[torch.randint(len(known), (n,), generator=rng)]
    lowest = float(truth(known)[0].min())

    def uphill(points: Tensor) -> Tensor:
        points = points.requires_grad_()
        value = log_likelihood(ensemble.opinions(points), kT / BOLTZMANN, lowest)
        return torch.autograd.grad(value.sum(), points)[0]

    noise = torch.randn(n, 2, generator=rng, dtype=torch.float64)
    return climb(starts + 0.01 * noise, uphill, n_steps=60, learning_rate=0.03)


@dataclass(frozen=True)
class Round:
    """One round: what was known, where the attacks ended, and how wrong the ensemble was at the barrier."""

    known: Tensor
    attacked: Tensor
    unsure: Tensor
    barrier_error: float
    ensemble: Ensemble


def barrier_error(ensemble: Ensemble) -> float:
    """Root mean square error of the forces on the way over the barrier, in the units of V."""
    x = torch.linspace(-0.4, 0.4, 21, dtype=torch.float64)
    path = torch.stack([x, torch.zeros_like(x)], dim=1)
    return float(((ensemble.at(path).forces.mean(dim=0) - truth(path)[1]) ** 2).mean().sqrt())


def rounds(n_rounds: int = 4, *, n_points: int = 60, n_attacks: int = 30, seed: int = 0) -> list[Round]:
    """Train, attack, label, and again; the last round is trained on everything and attacked once more."""
    known, ensemble, done = right_well(n_points, seed), Ensemble(seed), []
    for k in range(n_rounds + 1):
        ensemble.train_on(known)
        attacked = attack(ensemble, known, kT=KT, n=n_attacks, seed=seed + k)
        unsure = attack(ensemble, known, kT=NO_LIMIT, n=n_attacks, seed=seed + k)
        done.append(Round(known, attacked, unsure, barrier_error(ensemble), deepcopy(ensemble)))
        known = torch.cat([known, attacked])
    return done


def draw(done: list[Round], path: Path) -> None:
    """A panel for each round: the truth, what was known, and where the attacks ended."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(done), figsize=(2.9 * len(done), 2.9), sharey=True, layout="constrained")
    x, y = np.meshgrid(np.linspace(-1.7, 1.7, 120), np.linspace(-1.3, 1.3, 90))
    grid = torch.from_numpy(np.stack([x.ravel(), y.ravel()], axis=1))
    heights = truth(grid)[0].numpy().reshape(x.shape)
    for k, (panel, r) in enumerate(zip(axes, done, strict=True)):
        spread = r.ensemble.at(grid).force_variance.sqrt().numpy().reshape(x.shape)
        panel.pcolormesh(x, y, np.log10(spread), cmap="Greys", vmin=-2, vmax=1.5, rasterized=True)
        panel.contour(x, y, heights, levels=[-4, -2, 0, 2, 4], colors="0.6", linewidths=0.6)
        panel.plot(*r.known.numpy().T, ".", markersize=3, color="tab:blue", label="known")
        panel.plot(*r.unsure.numpy().T, "x", markersize=4, color="tab:orange", label="uncertainty alone")
        panel.plot(*r.attacked.numpy().T, "o", markersize=3.5, color="tab:red", label="attacked")
        panel.set(xlabel="x", xlim=(-1.7, 1.7))
        panel.set_title(f"round {k}: off by {r.barrier_error:.2g} at the barrier", fontsize=9)
    axes[0].set(ylabel="y", ylim=(-1.3, 1.3))
    axes[0].legend(loc="upper left", fontsize=7)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def main() -> None:
    """Run it, print a table and write the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("double-well.png"), metavar="FILE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    done = rounds(options.rounds, seed=options.seed)
    print("round  points  forces off at barrier  mean V attacked  mean V of uncertainty alone")
    for k, r in enumerate(done):
        attacked, unsure = (float(truth(points)[0].mean()) for points in (r.attacked, r.unsure))
        print(f"{k:5d}  {len(r.known):6d}  {r.barrier_error:20.3f}  {attacked:15.2f}  {unsure:27.2f}")
    draw(done, options.output)
    print(f"figure in {options.output}")


if __name__ == "__main__":
    main()
