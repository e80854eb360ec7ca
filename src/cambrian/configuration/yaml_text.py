"""YAML as people write it: `1e-3` is a number, `No` is nobelium, a key written twice is a mistake.

PyYAML follows YAML 1.1; here the scalars are those of YAML 1.2. Nothing but plain data is ever built.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from cambrian.errors import UserError


class _Loader(yaml.SafeLoader):
    """Plain data with the scalars of YAML 1.2."""

    yaml_implicit_resolvers = {
        first: [rule for rule in rules if rule[0] == "tag:yaml.org,2002:null"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        twice = next((k for n, k in enumerate(keys) if k in keys[:n]), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"'{twice}' is written twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?\d+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^(?:[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?\.(?:inf|Inf)|\.nan)$"),
    list("-+.0123456789"),
)


def parse(text: str, where: str) -> Any:
    """Plain data from YAML text; raises UserError naming the place, with line and column where it is broken."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise UserError(f"{where}{place}: this is not YAML ({getattr(error, 'problem', None) or error})") from error


def parse_file(path: Path) -> Any:
    """Plain data from a YAML file; raises UserError for a file that cannot be read."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error


def dump(value: Any) -> str:
    """YAML text of plain data, keys in their order, numbers with every digit."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
