"""A function written as a row is the same function when it is read."""

import pytest

from cambrian.descriptors.acsf import ACSF, Listed
from cambrian.math.symmetry_words import row, words


def test_rows_give_the_same_functions():
    descriptor = ACSF.example()
    names = ["H", "C", "O"]
    table = {s: [row(f, names) for f in descriptor.functions_of(z)] for z, s in zip((1, 6, 8), names, strict=True)}
    again = ACSF(cutoff=descriptor.cutoff, functions=[Listed(table)], envelope=descriptor.envelope)
    again.elements = descriptor.elements
    for z in (1, 6, 8):
        assert again.functions_of(z) == descriptor.functions_of(z)


@pytest.mark.parametrize("z", [1, 6, 8])
def test_every_function_has_words_of_its_own(z):
    functions = ACSF.example().functions_of(z)
    said = [words(f, ["H", "C", "O"]) + f"{f.cutoff}" for f in functions]
    assert len(set(said)) == len(said)
