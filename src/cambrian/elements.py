"""Elements by symbol and atomic number, as ASE names them."""

from ase.data import atomic_numbers, chemical_symbols

from cambrian.errors import UserError


def number(symbol: str) -> int:
    """Atomic number of an element symbol; raises UserError for an unknown one."""
    try:
        return atomic_numbers[symbol]
    except KeyError:
        raise UserError(f"'{symbol}' is no chemical element; write symbols such as Si, H or Ta") from None


def symbol(atomic_number: int) -> str:
    """Element symbol of an atomic number."""
    return chemical_symbols[int(atomic_number)]


def symbols(numbers) -> list[str]:
    """Element symbols of atomic numbers, in their order."""
    return [symbol(z) for z in numbers]


def number_pair(pair: str) -> tuple[int, int]:
    """Atomic numbers of a pair of elements written as `Si-O`, sorted; one symbol means the like pair."""
    parts = pair.split("-") if "-" in pair else [pair, pair]
    if len(parts) != 2:
        raise UserError(f"'{pair}' is no pair of elements; write it as 'Si-O'")
    first, second = sorted(number(part) for part in parts)
    return first, second
