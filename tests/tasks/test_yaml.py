"""Reading YAML: unmoved by packages that write into PyYAML's tables."""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tasks._yaml import FastLoader, Resolver, SafeConstructor, compose_yaml, load_yaml

TEXT = "day: 2024-01-02\nyes: off\nbig: 0x10\nhalf: .5\nnone: ~\nmerged: {<<: {a: 1}, b: 2}\n"
VALUES = {
    "day": datetime.date(2024, 1, 2), True: False, "big": 16, "half": 0.5, "none": None,
    "merged": {"a": 1, "b": 2},
}  # fmt: skip
_STAMP = "tag:yaml.org,2002:timestamp"


def as_lm_format_enforcer() -> None:
    """What its schema reader does when it is imported, as vLLM does."""
    tables = getattr(yaml, "CSafeLoader", yaml.SafeLoader).yaml_constructors
    tables[_STAMP] = tables["tag:yaml.org,2002:str"]


def no_dates_at_all() -> None:
    """A much copied way to keep dates as texts."""
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items():
        yaml.SafeLoader.yaml_implicit_resolvers[first] = [r for r in found if r[0] != _STAMP]


def more_kinds() -> None:
    """A tag that makes objects, and a pattern that reads words as such."""
    yaml.SafeLoader.yaml_constructors["!object"] = lambda *_: object()
    pattern = ("!object", re.compile("^off$"))
    yaml.SafeLoader.yaml_implicit_resolvers.setdefault("o", []).insert(0, pattern)


@pytest.fixture
def tables() -> Any:
    constructors = yaml.SafeLoader.yaml_constructors
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers
    kept = dict(constructors), {first: list(found) for first, found in resolvers.items()}
    # Another test's imports may have changed them already.
    shipped = SafeConstructor.yaml_constructors, Resolver.yaml_implicit_resolvers
    _put((constructors, resolvers), shipped)
    yield
    _put((constructors, resolvers), kept)


def _put(tables: Any, values: Any) -> None:
    for table, value in zip(tables, values, strict=True):
        table.clear()
        table.update({k: list(v) if isinstance(v, list) else v for k, v in value.items()})


@pytest.mark.parametrize("change", [as_lm_format_enforcer, no_dates_at_all, more_kinds])
def test_other_packages_move_nothing(tables: Any, change: Callable[[], None]) -> None:
    before = yaml.safe_load(TEXT)
    change()
    assert yaml.safe_load(TEXT) != before
    assert load_yaml(TEXT) == VALUES
    assert yaml.load(TEXT, FastLoader) == VALUES  # noqa: S506 - a safe loader
    node = compose_yaml("on: 2024-01-02")
    assert isinstance(node, yaml.MappingNode)
    assert node.value[0][1].tag == _STAMP
    with pytest.raises(ValueError, match="month"):
        load_yaml("2024-13-45")
    with pytest.raises(yaml.YAMLError):
        load_yaml("!object x")


def test_tables_changed_before_we_are_imported() -> None:
    """And the package itself, where it is installed: it may well come first."""
    code = (
        "import contextlib, yaml\n"
        "t = getattr(yaml, 'CSafeLoader', yaml.SafeLoader).yaml_constructors\n"
        "t['tag:yaml.org,2002:timestamp'] = t['tag:yaml.org,2002:str']\n"
        "with contextlib.suppress(ImportError):\n"
        "    import lmformatenforcer.external.jsonschemaobjectutil\n"
        "assert isinstance(yaml.safe_load('2024-01-02'), str)\n"
        "from tasks._yaml import load_yaml\n"
        "print(repr(load_yaml('2024-01-02')))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "datetime.date(2024, 1, 2)"


def test_only_plain_values() -> None:
    for text in ("!!python/name:os.system", "!!python/object/apply:os.mkdir [made]"):
        with pytest.raises(yaml.YAMLError):
            load_yaml(text)
