"""Reading YAML alike, whatever other packages have done to PyYAML in this process.

Loaders share their tables with `yaml.SafeLoader`, and some packages write into those: lm-format-
enforcer, which vLLM imports, turns dates into texts for everybody. The tables used here come from
modules executed anew, which nobody else can reach.
"""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import yaml


def _anew(name: str) -> ModuleType:
    """A module of an installed package, executed a second time and kept to ourselves."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} has no source")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SafeConstructor: Any = _anew("yaml.constructor").SafeConstructor
Resolver: Any = _anew("yaml.resolver").Resolver


class Loader(
    yaml.reader.Reader,
    yaml.scanner.Scanner,
    yaml.parser.Parser,
    yaml.composer.Composer,
    SafeConstructor,  # type: ignore[misc]
    Resolver,  # type: ignore[misc]
):
    """`yaml.SafeLoader` as PyYAML ships it."""

    def __init__(self, stream: str | bytes) -> None:
        yaml.reader.Reader.__init__(self, stream)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)
        yaml.composer.Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)


_C = getattr(yaml, "CParser", None)


class FastLoader(_C or Loader, SafeConstructor, Resolver):  # type: ignore[misc]
    """The same through libyaml, where PyYAML was built with it; its messages are shorter."""

    def __init__(self, stream: str | bytes) -> None:
        (_C or Loader).__init__(self, stream)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)


def load_yaml(text: str) -> Any:
    """The one document of a text, as plain values.

    Raises:
        yaml.YAMLError: It is not YAML, or asks for more than plain values.
        ValueError, RecursionError: A value that cannot be, such as a 13th month; too deep a text.
    """
    return yaml.load(text, Loader)  # noqa: S506 - a safe loader


def compose_yaml(text: str) -> yaml.Node | None:
    """The one document of a text, as nodes that know their lines; None if it is empty.

    Raises:
        yaml.YAMLError: It is not YAML.
        ValueError, RecursionError: As `load_yaml`.
    """
    node: yaml.Node | None = yaml.compose(text, Loader)
    return node
