"""Deep Potential, smooth edition (se_e2_a): a network weighs the neighbors, another makes the energy of their moments.

    R_j = (s, s x/r, s y/r, s z/r)      s = f(r)/r      R̃_j = (R_j - mean)/deviation, by element of the center
    T = Σ_j G_j ⊗ R̃_j / N_c             G_j = embedding of the neighbor's element at s̃_j          N_c = Σ_t sel_t
    D = T T_<ᵀ                          T_< the first rows of T
    E = Σ_i fitting((D_i - μ)/σ)

f is one up to `smooth_from` and falls to zero at the cutoff. Layers of one width add their input, layers of twice the
width add it twice: x <- x + δ a(x W + b), where δ is trained in the fitting network and 1 in the embedding.

μ is the mean of D at the first weights, for each element over the training set, and σ its spread times the root of the
number of entries, so that the fitting network starts with inputs of length one, and weights that are larger to match.
With entries of size one, a step of Adam would move every node by the learning rate times their number, into the flat
parts of tanh, where training ends. The last layer starts small, so that the first forces are about as large as those
of the data and not ten times that. In the published form μ and σ are 0 and 1: the first layer can make up for them.

An atom has sel_t places for neighbors of element t. An empty one counts as a neighbor at the cutoff, R = 0, so the
energy is smooth where a neighbor leaves, and places beyond those of the batch are added in closed form.
L. Zhang et al., NeurIPS 31 (2018), arXiv:1805.09003; H. Wang et al., Comput. Phys. Commun. 228, 178 (2018).
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cambrian.contracts.potential import Potential, Terms
from cambrian.data.dataset import Dataset
from cambrian.elements import number, symbols
from cambrian.errors import UserError
from cambrian.graph import Graph
from cambrian.math.envelopes import PolynomialEnvelope
from cambrian.math.layers import Activation, SpeciesLinear
from cambrian.math.residual import ResidualNetwork

ROOM = 1.5  # places for neighbors beside the most that any training structure has
SMALLEST_DEVIATION = 1e-2  # of the standardised rows
SMALLEST_SHARE = 0.03  # of the largest spread: entries of D that hardly vary are not blown up
FIRST_ENERGIES = 0.1  # what the last layer starts with, in weights of variance 1/inputs


class DeepPotential(Potential):
    """Embedding and fitting networks; lengths in Å, energies in eV.

    `embedding` and `fitting` are the widths of the two networks, `axis` the number of rows of T_<. `embedding_of` says
    whether an embedding belongs to the neighbor's element, or to the pair of elements. `sel` gives the places for
    neighbors by element; without it the training set decides, with room to spare.
    """

    mean: Tensor
    deviation: Tensor
    places: Tensor
    center: Tensor
    scale: Tensor

    def __init__(
        self,
        *,
        cutoff: float = 6.0,
        smooth_from: float = 0.5,
        embedding: tuple[int, ...] = (25, 50, 100),
        axis: int = 16,
        fitting: tuple[int, ...] = (240, 240, 240),
        embedding_of: Literal["neighbor", "pair"] = "neighbor",
        activation: Activation = "tanh",
        sel: dict[str, int] | None = None,
        seed: int = 0,
    ):
        super().__init__()
        if not 0 < smooth_from < cutoff:
            raise UserError(f"smooth_from lies between 0 and the cutoff of {cutoff} Å, not at {smooth_from} Å")
        if not 1 <= axis <= embedding[-1]:
            raise UserError(f"axis lies between 1 and the last width of the embedding, {embedding[-1]}, not {axis}")
        self.cutoff, self.axis, self.of_pairs = cutoff, axis, embedding_of == "pair"
        self.envelope = PolynomialEnvelope(order=2, inner_fraction=smooth_from / cutoff)
        self.given = {number(symbol): n for symbol, n in (sel or {}).items()}
        self.embedding = ResidualNetwork([1, *embedding], activation)
        self.fitting = ResidualNetwork([embedding[-1] * axis, *fitting], activation, step=0.1)
        self.output = SpeciesLinear()
        self.seed = seed
        self.register_buffer("places", torch.zeros(0, dtype=torch.int64))  # (species,)
        self.register_buffer("mean", torch.zeros(0, dtype=torch.float64))  # (species,), of s in 1/Å
        self.register_buffer("deviation", torch.zeros(0, 2, dtype=torch.float64))  # (species, 2): of s, of s x/r
        self.register_buffer("center", torch.zeros(0, 0, dtype=torch.float64))  # (species, entries of D)
        self.register_buffer("scale", torch.zeros(0, 0, dtype=torch.float64))  # (species, entries of D), 1/σ

    def setup(self, train: Dataset) -> None:
        """Places, statistics of the rows over all places of each element of center, weights from the seed."""
        super().setup(train)
        n = len(self.elements)
        most, sums, atoms = torch.zeros(n, dtype=torch.int64), torch.zeros(n, 4, dtype=torch.float64), torch.zeros(n)
        for graph, _ in train.batches(self.cutoff):
            species = torch.searchsorted(self.elements, graph.numbers)
            counts = torch.bincount(graph.center * n + species[graph.neighbor], minlength=n * graph.n_atoms)
            most = torch.maximum(most, counts.reshape(-1, n).amax(dim=0))
            rows = self._rows(graph.r_ij)
            moments = [rows[:, 0], rows[:, 0] ** 2, rows[:, 1:].sum(dim=1), (rows[:, 1:] ** 2).sum(dim=1)]
            sums.index_add_(0, species[graph.center], torch.stack(moments, dim=1))
            atoms += torch.bincount(species, minlength=n)
        known = [self.given.get(int(z), -1) for z in self.elements]
        self.places = torch.tensor([sel if sel >= 0 else int(ROOM * m) + 1 for sel, m in zip(known, most, strict=True)])
        n_places = (atoms * self.places.sum()).clamp(min=1).to(torch.float64)
        self.mean = sums[:, 0] / n_places
        radial = sums[:, 1] / n_places - self.mean**2
        angular = sums[:, 3] / (3 * n_places) - (sums[:, 2] / (3 * n_places)) ** 2
        spread = torch.stack([radial, angular], dim=1).clamp(min=0).sqrt()
        self.deviation = spread.clamp(min=SMALLEST_DEVIATION)
        generator = torch.Generator().manual_seed(self.seed)
        self.embedding.start(n**2 if self.of_pairs else n, generator)
        self.fitting.start(n, generator)
        self.output.start(n, self.fitting.widths[-1], 1, generator, self.mean)
        self._standardise(train)

    def _standardise(self, train: Dataset) -> None:
        """Mean and spread of D over the training set at the first weights; the fitting network starts to match."""
        with torch.no_grad():
            found = [
                (self.features(g), torch.searchsorted(self.elements, g.numbers)) for g, _ in train.batches(self.cutoff)
            ]
        rows, species = torch.cat([f for f, _ in found]), torch.cat([s for _, s in found])
        groups = [rows[species == s] for s in range(len(self.elements))]
        self.center = torch.stack([g.mean(dim=0) for g in groups])
        spread = torch.stack([g.std(dim=0, correction=0) for g in groups])
        largest = spread.amax(dim=1, keepdim=True)
        spread = torch.where(largest > 0, spread.maximum(SMALLEST_SHARE * largest), torch.ones_like(spread))
        length = spread.shape[1] ** 0.5
        self.scale = 1 / (length * spread)
        with torch.no_grad():
            self.fitting.layers[0].weight.mul_(length)
            self.output.weight.mul_(FIRST_ENERGIES)

    def forward(self, graph: Graph) -> Terms:
        """Energies of all atoms; raises UserError where an atom has more neighbors than places."""
        species = torch.searchsorted(self.elements, graph.numbers)
        features = (self.features(graph) - self.center[species]) * self.scale[species]
        order, counts = torch.argsort(species, stable=True), torch.bincount(species, minlength=len(self.elements))
        parts = features[order].split(counts.tolist())
        energies = torch.cat([self.output(self.fitting(x, s), s)[:, 0] for s, x in enumerate(parts)])
        return Terms.of_atoms(torch.zeros_like(energies).index_copy(0, order, energies), graph)

    def features(self, graph: Graph) -> Float[Tensor, "atoms entries"]:
        """D of every atom; its rows run over all outputs of the embedding, its columns over the first."""
        species = torch.searchsorted(self.elements, graph.numbers)
        standard = self._standard(graph, species)
        empty = torch.nn.functional.pad((-self.mean / self.deviation[:, 0])[:, None], (0, 3))  # (species, 4)
        moments = standard.new_zeros(graph.n_atoms, self.embedding.widths[-1], 4)
        for block in self._blocks(graph, species):
            moments = moments.index_add(0, block.atoms, self._moments(block, standard, empty))
        moments = moments / self.places.sum()
        return (moments @ moments[:, : self.axis].mT).flatten(1)

    def _rows(self, r_ij: Float[Tensor, "edges 3"]) -> Float[Tensor, "edges 4"]:
        """S and s r/|r| of each edge, 1/Å."""
        distance = r_ij.norm(dim=-1, keepdim=True)
        s = self.envelope(distance, self.cutoff) / distance
        return torch.cat([s, s * r_ij / distance], dim=1)

    def _standard(self, graph: Graph, species: Int[Tensor, "atoms"]) -> Float[Tensor, "edges 4"]:
        rows, center = self._rows(graph.r_ij), species[graph.center]
        shift = torch.nn.functional.pad(self.mean[center, None], (0, 3))
        return (rows - shift) / self.deviation[center][:, [0, 1, 1, 1]]

    def _blocks(self, graph: Graph, species: Int[Tensor, "atoms"]) -> "Iterator[_Block]":
        """The neighbors of one element, for centers of one embedding, in rows as long as the longest."""
        of_neighbor = species[graph.neighbor]
        for t in range(len(self.elements)):
            counts = torch.bincount(graph.center[of_neighbor == t], minlength=graph.n_atoms)
            if bool((counts > self.places[t]).any()):
                raise UserError(_too_many(symbols(self.elements)[t], int(counts.max()), int(self.places[t])))
            for c in range(len(self.elements)) if self.of_pairs else (None,):
                chosen = torch.ones_like(species, dtype=torch.bool) if c is None else species == c
                atoms = torch.nonzero(chosen)[:, 0]
                edges = torch.nonzero((of_neighbor == t) & chosen[graph.center])[:, 0]
                of_atom = counts[atoms]
                row = torch.repeat_interleave(torch.arange(len(atoms), device=atoms.device), of_atom)
                first = torch.repeat_interleave(of_atom.cumsum(0) - of_atom, of_atom)
                slot = torch.arange(len(edges), device=atoms.device) - first
                network = t if c is None else c * len(self.elements) + t
                longest = int(of_atom.max()) if len(of_atom) else 0
                yield _Block(network, int(self.places[t]), atoms, species[atoms], edges, row, slot, longest)

    def _moments(
        self, block: "_Block", standard: Float[Tensor, "edges 4"], empty: Float[Tensor, "species 4"]
    ) -> Float[Tensor, "rows channels 4"]:
        """Σ_j G_j ⊗ R̃_j over all places of each atom, the empty ones included."""
        unused = empty[block.species]  # (rows, 4)
        slots = unused[:, None].expand(-1, block.longest, -1).index_put((block.row, block.slot), standard[block.edges])
        weights = self.embedding(slots[..., :1], block.network)
        at_cutoff = self.embedding(empty[:, :1], block.network)[block.species]
        rest = (block.places - block.longest) * at_cutoff[:, :, None] * unused[:, None]
        return weights.mT @ slots + rest

    @classmethod
    def example(cls) -> "DeepPotential":
        """A small one for hydrogen, carbon and oxygen, with embeddings of pairs."""
        potential = cls(cutoff=3.6, smooth_from=1.0, embedding=(3, 6, 6), axis=3, fitting=(7, 7), embedding_of="pair")
        potential.elements = torch.tensor([1, 6, 8])
        potential.places = torch.tensor([90, 80, 70])
        potential.mean = torch.tensor([0.02, 0.03, 0.025], dtype=torch.float64)
        potential.deviation = torch.tensor([[0.15, 0.1], [0.2, 0.12], [0.12, 0.09]], dtype=torch.float64)
        potential.center = torch.zeros(3, 18, dtype=torch.float64)
        potential.scale = torch.full((3, 18), 2.0, dtype=torch.float64)
        generator = torch.Generator().manual_seed(4)
        potential.embedding.start(9, generator)
        potential.fitting.start(3, generator)
        potential.output.start(3, 7, 1, generator, potential.mean)
        return potential


class _Block(NamedTuple):
    """Atoms whose neighbors of one element go through one embedding; edge k stands in `row` and `slot` k."""

    network: int
    places: int
    atoms: Int[Tensor, "rows"]
    species: Int[Tensor, "rows"]
    edges: Int[Tensor, "edges"]
    row: Int[Tensor, "edges"]
    slot: Int[Tensor, "edges"]
    longest: int


def _too_many(element: str, found: int, places: int) -> str:
    return (
        f"an atom has {found} neighbors of {element} within the cutoff, and the potential has places for {places}; "
        f"fit with sel={{{element}: {found + found // 4}}} or more, or with denser structures among the data"
    )
