"""Whitening: a linear map of features to inputs of unit variance without correlations.

    x = ((G - μ) / σ) V (Λ + ε λ_max)^(-1/2)

with V and Λ the eigenvectors and eigenvalues of the correlations. Descriptors are nearly linear combinations of one
another (Λ spans fifteen decades), so without V gradient descent sees only the few directions of large variance; ε says
down to which share of the largest variance directions are brought to unit size. Y. LeCun et al., Efficient BackProp
(1998).
"""

import torch
from jaxtyping import Float
from torch import Tensor

NOISE = 1e-6  # of the largest deviation: what varies less would, at unit size, bring rounding errors along


def whitening(features: Float[Tensor, "rows features"], share: float) -> Float[Tensor, "features inputs"]:
    """The map from centered features to inputs; columns that do not vary are left out, as nothing is known of them."""
    if len(features) < 2:
        return features.new_zeros(features.shape[1], features.shape[1])
    deviation = features.std(dim=0)
    smallest = torch.maximum(1e-12 * features.abs().amax(dim=0).clamp(min=1.0), NOISE * deviation.max())
    inverse = torch.where(deviation > smallest, 1 / deviation, torch.zeros_like(deviation))
    standard = (features - features.mean(dim=0)) * inverse
    variances, directions = torch.linalg.eigh(standard.mT @ standard / len(features))
    variances = variances.clamp(min=0.0)
    largest = variances.max().clamp(min=torch.finfo(features.dtype).tiny)
    return (inverse[:, None] * directions / (variances + share * largest).sqrt()).contiguous()
