"""Reading a recipe: safe YAML, overrides, and errors that name the line."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from harness.errors import UserError
from harness.recipes._base import Section
from tasks._yaml import compose_yaml, load_yaml

Path_ = tuple[str | int, ...]
Kind = TypeVar("Kind", bound=Section)
_MOST_BYTES = 1_000_000


class Source:
    """A recipe's text: its values, and the line each of them stands on."""

    def __init__(self, name: str, values: dict[str, Any], lines: Mapping[Path_, int]) -> None:
        self.name = name
        self.values = values
        self._lines = lines

    def where(self, place: Path_) -> str:
        """`recipe.yaml, line 7`, or the nearest place above it that has a line."""
        while place and place not in self._lines:
            place = place[:-1]
        line = self._lines.get(place)
        return f"{self.name}, line {line}" if line else self.name

    def with_values(
        self, overrides: Mapping[str, Any], origin: str, at: Path_ | None = None
    ) -> Source:
        """The same with some values replaced.

        Args:
            overrides: Dotted name to value, as `train.stages: two`.
            origin: Where they come from, for messages.
            at: Where in this text the overrides stand, so that their lines are known.

        Raises:
            UserError: A name leads through something that holds no names.
        """
        values = _copy(self.values)
        lines = dict(self._lines)
        for name, value in overrides.items():
            *above, last = name.split(".")
            holder = values
            for depth, part in enumerate(above):
                if holder.get(part) is None:
                    holder[part] = {}
                holder = holder[part]
                if not isinstance(holder, dict):
                    raise UserError(f"{origin}: {'.'.join(above[: depth + 1])} holds no names")
            holder[last] = value
            place = (*above, last)
            lines = {p: n for p, n in lines.items() if p[: len(place)] != place}
            if at is not None:
                stands = (*at, name)
                new = {p: n for p, n in self._lines.items() if p[: len(stands)] == stands}
                lines |= {(*place, *p[len(stands) :]): n for p, n in new.items()}
        return Source(self.name, values, lines)


def _copy(value: Any) -> Any:
    return {k: _copy(v) for k, v in value.items()} if isinstance(value, dict) else value


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Source:
    """Read a recipe's YAML.

    Args:
        path: The file.
        overrides: `a.b=v` each, `v` being YAML.

    Raises:
        UserError: No such file, no YAML, a name that stands twice, a wrong override.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path} is too large for a recipe")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text") from error
    lines: dict[Path_, int] = {}
    try:
        node = compose_yaml(text)
        if node is not None:
            _walk(node, (), lines, str(path))
        values = load_yaml(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except (RecursionError, ValueError) as error:
        raise UserError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no recipe", "A recipe is a list of `name: value` lines.")
    source = Source(str(path), values, lines)
    source = source.with_values(dict(map(_override, overrides)), "--set")
    _check_texts(source, source.values, ())
    return source


def _check_texts(source: Source, value: Any, place: Path_) -> None:
    """Refuse text that names no file and fits no command: YAML can write any character."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if not isinstance(name, str):
                # YAML reads `on`, `no` and `1` as something else.
                raise UserError(f"{source.where(place)}: {name!r} is no name: put it in quotes")
            _check_texts(source, name, (*place, name))
            _check_texts(source, inner, (*place, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_texts(source, inner, (*place, index))
    elif isinstance(value, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
        name = ".".join(map(str, place))
        raise UserError(f"{source.where(place)}: {name}: {value!r} holds a character of no text")


def _override(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not all(part.strip() for part in name.split(".")):
        raise UserError(f"--set {text}: write it as a.b=value")
    try:
        return name.strip(), load_yaml(value)
    except yaml.YAMLError as error:
        raise UserError(f"--set {text}: the value is not YAML") from error


def _walk(node: yaml.Node, place: Path_, lines: dict[Path_, int], name: str) -> None:
    lines[place] = node.start_mark.line + 1
    if len(place) > 20:
        raise UserError(f"{name}, line {lines[place]}: nested too deeply")
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            text = str(key.value)
            if text in seen:
                raise UserError(f"{name}, line {key.start_mark.line + 1}: {text} stands twice")
            seen.add(text)
            _walk(value, (*place, text), lines, name)
            lines[*place, text] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*place, index), lines, name)


def parse(kind: type[Kind], source: Source) -> Kind:
    """Check a recipe's values.

    Args:
        kind: What the recipe is to be.
        source: Its values.

    Raises:
        UserError: Every mistake, each with its line.
    """
    try:
        return kind.model_validate(source.values)
    except ValidationError as error:
        told = [_tell(kind, source, problem) for problem in error.errors(include_url=False)]
        raise UserError("\n  ".join(dict.fromkeys(told))) from error


def _tell(kind: type[Section], source: Source, problem: Any) -> str:
    unknown = problem["type"] == "extra_forbidden"
    # An unknown name comes last, and is the user's, whatever it looks like.
    *above, last = problem["loc"] or ("",)
    place = tuple(part for part in above if not _is_inner(part))
    place += (last,) if last != "" and (unknown or not _is_inner(last)) else ()
    name = ".".join(map(str, place)) or "the recipe"
    if unknown:
        known = _fields(kind, place[:-1])
        close = difflib.get_close_matches(str(place[-1]), known, n=1)
        near = f"; did you mean {close[0]}?" if close else ""
        more = f" (known: {', '.join(known)})" if known and not close else ""
        return f"{source.where(place)}: {name} is unknown{near}{more}"
    if problem["type"] == "missing":
        return f"{source.where(place[:-1])}: {name} is missing"
    if problem["type"] in ("model_type", "dict_type"):
        return f"{source.where(place)}: {name}: should hold names and values, as `name: value`"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{source.where(place)}: {name}: {message[:1].lower()}{message[1:]}"


def _is_inner(part: str | int) -> bool:
    """Names pydantic adds for its own branches, such as `function-before[...]`."""
    return isinstance(part, str) and ("[" in part or part in ("ModelUse", "str"))


def _fields(kind: type[Section], place: Path_) -> list[str]:
    """Names that a section knows, followed down from the recipe."""
    for part in place:
        field = kind.model_fields.get(str(part))
        if field is None:
            return []
        found = [c for c in _candidates(field.annotation) if issubclass(c, Section)]
        if not found:
            return []
        kind = found[0]
    return list(kind.model_fields)


def _candidates(annotation: Any) -> list[type[Any]]:
    if isinstance(annotation, type):
        return [annotation]
    inner = [arg for arg in getattr(annotation, "__args__", ()) if arg is not type(None)]
    return [found for arg in inner for found in _candidates(arg)]
