"""Voigt's order of a symmetric tensor, as ASE has it: xx yy zz yz xz xy."""

import torch
from jaxtyping import Float
from torch import Tensor

ROWS = torch.tensor([0, 1, 2, 1, 0, 0])
COLUMNS = torch.tensor([0, 1, 2, 2, 2, 1])


def voigt(tensor: Float[Tensor, "... 3 3"]) -> Float[Tensor, "... 6"]:
    """The six independent components of symmetric 3 x 3 tensors."""
    return tensor[..., ROWS, COLUMNS]
