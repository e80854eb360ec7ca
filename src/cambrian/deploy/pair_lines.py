"""The pair_style and pair_coeff lines of a LAMMPS input, plain or hybrid/overlay, taken apart.

Everything else in the input is passed over, except units other than `metal`. Variables ($) are not resolved.
"""

from dataclasses import dataclass

from cambrian.errors import UserError

KNOWN_STYLES = ("snap", "mliap", "pace", "zbl", "zero")
WORDY = ("mliap", "pace")  # their arguments are words, too


@dataclass(frozen=True)
class PairLine:
    """One pair_coeff line: the style with its global arguments, the two type words, and the words after the style.

    `rank` counts styles of one name, from 1.
    """

    style: str
    arguments: tuple[str, ...]
    rank: int
    types: tuple[str, str]
    words: list[str]
    text: str


def pair_lines(text: str, where: str) -> list[PairLine]:
    """Lines of the last pair_style in a text; raises UserError for styles that cannot be imported."""
    styles: list[tuple[str, tuple[str, ...]]] = []
    hybrid, found = False, []
    for line in text.replace("&\n", " ").splitlines():
        words = line.split("#")[0].split()
        if not words or words[0] not in ("units", "pair_style", "pair_coeff"):
            continue
        if "$" in line:
            raise UserError(f"{where}: '{line.strip()}' holds a variable; write its value")
        if words[0] == "units" and words[1:] != ["metal"]:
            raise UserError(f"{where}: only potentials in `units metal` can be imported, not '{line.strip()}'")
        if words[0] == "pair_style":
            hybrid, found = words[1] == "hybrid/overlay", []
            styles = _styles(words[2:] if hybrid else words[1:], where)
        if words[0] == "pair_coeff":
            found.append(_coefficients(words, styles, hybrid, line.strip(), where))
    return found


def types_of(word: str, n_types: int, where: str) -> range:
    """Atom types that a word such as `2`, `*`, `1*3` or `*2` stands for."""
    first, star, last = word.partition("*")
    try:
        low = int(first) if first else 1
        high = low if not star else (int(last) if last else n_types)
    except ValueError:
        raise UserError(f"{where}: '{word}' is no atom type") from None
    if not 1 <= low <= high <= n_types:
        raise UserError(f"{where}: type '{word}' does not fit the {n_types} elements of the snap line")
    return range(low, high + 1)


def _styles(words: list[str], where: str) -> list[tuple[str, tuple[str, ...]]]:
    styles: list[tuple[str, list[str]]] = []
    for word in words:
        is_argument = not word[0].isalpha() or (styles and styles[-1][0] in WORDY and word not in KNOWN_STYLES)
        if styles and is_argument:
            styles[-1][1].append(word)
        elif word not in KNOWN_STYLES:
            raise UserError(f"{where}: pair style '{word}' cannot be imported; {', '.join(KNOWN_STYLES)} can")
        else:
            styles.append((word, []))
    return [(name, tuple(arguments)) for name, arguments in styles]


def _coefficients(words: list[str], styles, hybrid: bool, text: str, where: str) -> PairLine:
    if not styles or len(words) < 3 + hybrid:
        raise UserError(f"{where}: '{text}' is not whole, or stands before its pair_style")
    name, rest = (words[3], words[4:]) if hybrid else (styles[0][0], words[3:])
    same = [arguments for style, arguments in styles if style == name]
    if not same:
        raise UserError(f"{where}: '{text}' names a style that pair_style does not list")
    rank = 1
    if len(same) > 1 and rest and rest[0].isdigit() and 1 <= int(rest[0]) <= len(same):
        rank, rest = int(rest[0]), rest[1:]
    return PairLine(name, same[rank - 1], rank, (words[1], words[2]), rest, text)
