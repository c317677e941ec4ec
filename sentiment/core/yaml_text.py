"""Reading YAML as people and DVC mean it: ``2e-5`` is a number, ``yes`` is a word, and no key occurs twice."""

import re
from pathlib import Path
from typing import Any

import yaml

from sentiment.terminal.errors import UserError


def read_yaml(path: Path) -> str:
    """Return the text of a YAML file in the repository's root.

    Raises
    ------
    UserError
        Where it is missing or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run this from the repository's root") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start} of the file); convert it to UTF-8") from None


def parse_yaml(text: str, name: str) -> Any:
    """Parse YAML with version 1.2's floats.

    Parameters
    ----------
    text : str
        One document.
    name : str
        What errors call it.

    Raises
    ------
    UserError
        Where it is not YAML, a key occurs twice or is no plain name, or a value cannot be read.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{name}{line}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
    except ValueError as error:  # a date that does not exist, a number of thousands of digits
        raise UserError(f"{name}: holds a value that cannot be read: {error}") from None


class _Loader(yaml.SafeLoader):
    """YAML 1.2's floats and truth values (PyYAML reads ``2e-5`` as text and ``no`` as false, DVC does not), and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, dict | list | set):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a plain name", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key '{key}' occurs twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)$|^[-+]?(?:\d+\.\d*|\.\d+)$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"),
    list("-+0123456789."),
)

# The resolvers of truth values are taken out of a copy: the list is PyYAML's own.
_TRUTH = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TRUTH] for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_TRUTH, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
