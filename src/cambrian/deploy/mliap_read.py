"""Linear and quadratic models of LAMMPS's `pair_style mliap` on the descriptor `sna`: SNAP and qSNAP in other files.

    .mliap.model            elements, coefficients per element, then those of each element, the constant first
    .mliap.descriptor       SNAP's parameters by keyword; nelems, elems, radelems, welems

E = c_0 + Σ_k c_k B_k + Σ_k [ ½ c_kk B_k² + Σ_l>k c_kl B_k B_l ]: the order of coefficients is that of .snapcoeff.
Format: the page of pair_style mliap in the manual of LAMMPS, https://docs.lammps.org.
"""

from pathlib import Path

from cambrian.contracts.lammps import LammpsSnap, SnapElement
from cambrian.deploy.snap_read import DEFAULTS, WITHOUT_EFFECT, by_number, take_parameter, text_of, whole
from cambrian.errors import UserError
from cambrian.math.bispectrum import bispectrum_orders

LISTS = {"elems": str, "radelems": float, "welems": float}


def read_mliap(kind: str | None, model: Path, descriptor: Path, elements: list[str] | None) -> LammpsSnap:
    """A linear or quadratic model; `kind` None: as the number of coefficients says.

    `elements` are those wanted, all where None. Raises UserError for what is broken or of another kind.
    """
    if kind not in (None, "linear", "quadratic"):
        raise UserError(f"{model}: models of the kind '{kind}' cannot be imported; linear and quadratic ones can")
    parameters, lists = read_descriptor(descriptor)
    blocks = read_model(model)
    names = lists["elems"]
    if len(blocks) != len(names):
        raise UserError(f"{model} has {len(blocks)} elements, {descriptor} {len(names)}")
    channels = len(names) if parameters["chemflag"] else 1
    n_linear = 1 + len(bispectrum_orders(int(parameters["twojmax"]))) * channels**3
    n_quadratic = n_linear + (n_linear - 1) * n_linear // 2
    expected = {"linear": (n_linear,), "quadratic": (n_quadratic,), None: (n_linear, n_quadratic)}[kind]
    if len(blocks[0]) not in expected:
        raise UserError(
            f"{model}: {len(blocks[0])} coefficients of an element, where {' or '.join(map(str, expected))} fit"
        )
    parameters["quadraticflag"] = float(len(blocks[0]) == n_quadratic and n_quadratic > n_linear)
    found = {
        e: SnapElement(r, w, b) for e, r, w, b in zip(names, lists["radelems"], lists["welems"], blocks, strict=True)
    }
    return by_number(parameters, found, elements, str(descriptor))


def read_model(path: Path) -> list[list[float]]:
    """Coefficients by element; raises UserError for a network, and where the file is not whole."""
    words = [word for line in text_of(path).splitlines() for word in line.split("#")[0].split()]
    if "NET" in words:
        raise UserError(f"{path} is a network, which cannot be imported; linear and quadratic models can")
    try:
        n_elements, count = int(words[0]), int(words[1])
        numbers = [float(w) for w in words[2:]]
    except (IndexError, ValueError) as error:
        raise UserError(f"{path} is no linear or quadratic model: {error}") from None
    if n_elements < 1 or len(numbers) != n_elements * count:
        raise UserError(f"{path}: {n_elements} x {count} numbers are announced, {len(numbers)} found; is it truncated?")
    return [numbers[k * count : (k + 1) * count] for k in range(n_elements)]


def read_descriptor(path: Path) -> tuple[dict[str, float], dict[str, list]]:
    """SNAP's parameters, and the lists by element."""
    parameters, lists, n_elements = dict(DEFAULTS), {}, None
    for line in text_of(path).splitlines():
        words = line.split("#")[0].split()
        if not words or words[0] in WITHOUT_EFFECT:
            continue
        try:
            if words[0] == "nelems":
                n_elements = int(words[1])
            elif words[0] in LISTS:
                lists[words[0]] = [LISTS[words[0]](w) for w in words[1:]]
            else:
                take_parameter(parameters, words, str(path))
        except UserError:
            raise
        except (IndexError, ValueError):
            raise UserError(f"{path}: '{line.strip()}' is not understood") from None
    if n_elements is None or any(len(lists.get(name, ())) != n_elements for name in LISTS):
        raise UserError(f"{path}: nelems, and as many elems, radelems and welems, are needed")
    return whole(parameters, str(path)), lists
