"""From a recipe's name, a YAML file and settings to a potential and a solver."""

from cambrian.configuration.recipe import Recipe
from cambrian.configuration.settings import Setting

__all__ = ["Recipe", "Setting"]
