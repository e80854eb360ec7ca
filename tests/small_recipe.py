"""Small recipes of a user's own, which fit in a moment."""

from pathlib import Path

OWN_FILE = Path(__file__).parent / "own_model.py"
RECIPE, CLASS = f"{OWN_FILE}:powers", f"{OWN_FILE}:InversePowers"


def write_descent(path: Path) -> Path:
    """A recipe file with gradient descent."""
    path.write_text(
        f"potential:\n  - DescriptorPotential:\n      descriptor: {{{CLASS}: {{powers: [4, 6, 12]}}}}\n"
        "      regressor: LinearRegressor\nsolver: {GradientDescent: {epochs: 6, batch_size: 4}}\n"
    )
    return path
