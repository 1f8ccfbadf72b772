"""What pyproject.toml asks for, read from the checkout or from the installed package."""

from __future__ import annotations

import shlex
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_CHECKOUT = Path(__file__).parent.parent
_NAME = "domain-harness"


class Asked(NamedTuple):
    """One requirement and the extra it belongs to."""

    requirement: Requirement
    extra: str | None
    """None: needed by everything."""


def asked_for() -> list[Asked]:
    """Every requirement of this platform, the development tools' too."""
    from packaging.requirements import Requirement

    pyproject = _CHECKOUT / "pyproject.toml"
    if pyproject.is_file():
        project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
        lines = {None: project["dependencies"], **project["optional-dependencies"]}
        asked = [Asked(Requirement(line), extra) for extra in lines for line in lines[extra]]
    else:
        package = metadata.distribution(_NAME)
        extras = package.metadata.get_all("Provides-Extra") or []
        asked = [
            Asked(requirement, _extra(requirement, extras))
            for requirement in map(Requirement, package.requires or [])
        ]
    return [each for each in asked if each.requirement.name != _NAME and _applies(each)]


def _applies(asked: Asked) -> bool:
    marker = asked.requirement.marker
    return marker is None or marker.evaluate({"extra": asked.extra or ""})


def _extra(requirement: Requirement, extras: list[str]) -> str | None:
    marker = requirement.marker
    if marker is None or marker.evaluate({"extra": ""}):
        return None
    return next((extra for extra in extras if marker.evaluate({"extra": extra})), None)


def pip_install(*arguments: str) -> str:
    """The command that installs something into this environment, at the versions we tested."""
    constraints = _CHECKOUT / "constraints.txt"
    tested = ["-c", str(constraints)] if constraints.is_file() else []
    return shlex.join([sys.executable, "-m", "pip", "install", *tested, *arguments])
