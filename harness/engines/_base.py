"""What an engine is, and how its settings are read."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol, TypeVar

from harness.errors import UserError
from harness.requests import Request, Response
from tasks import nearest


class ModelInfo(NamedTuple):
    """Whose answers these are."""

    ref: str
    name: str
    revision: str | None
    fingerprint: str | None


class ModelSettings(Protocol):
    """A model and its engine as a recipe or a command names them; fields as in `plan_engine`."""

    @property
    def model(self) -> str:
        """Folder, hub id, or served name."""

    @property
    def engine(self) -> str:
        """One of `ENGINES`."""

    @property
    def engine_args(self) -> dict[str, str]:
        """Engine settings as typed."""

    @property
    def base_url(self) -> str | None:
        """Address of the server."""

    @property
    def replicas(self) -> int:
        """Engines side by side."""

    @property
    def ray(self) -> str | None:
        """Address of a Ray cluster."""

    @property
    def allow_pickle(self) -> bool:
        """Accept pickled weights."""

    @property
    def trust_remote_code(self) -> str | None:
        """Pinned revision of a checkpoint's own code."""


class Engine(Protocol):
    """Turns requests into responses. Owns its device, its batching and its pictures' preparing."""

    @property
    def streams(self) -> bool:
        """Whether it answers while its iterator of requests is still open and silent."""

    def describe(self) -> dict[str, Any]:
        """What a reader of `run.json` should know: version, dtype, attention, context."""

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer every request, in any order.

        Requests are pulled as they are needed and may be lazily made. A request that cannot be
        answered gives a response with an error; only what makes all further work pointless is
        raised.
        """

    def close(self) -> None:
        """Give the device back."""


class Plan(Protocol):
    """An engine that is decided on but not started: enough to name a run."""

    @property
    def name(self) -> str:
        """`transformers`, `constant`, ..."""

    @property
    def model(self) -> ModelInfo:
        """The model."""

    @property
    def identity(self) -> dict[str, Any]:
        """Settings that move answers (dtype, context, picture sizes) and nothing that does not."""

    @property
    def why(self) -> str:
        """Why this engine."""

    @property
    def appetite(self) -> int:
        """How many requests it wants in hand to be kept busy."""

    def start(self) -> Engine:
        """Load the model."""


Settings = TypeVar("Settings")


def read_settings(kind: type[Settings], args: dict[str, str], engine: str) -> Settings:
    """Build an engine's settings from `--engine-arg k=v`.

    Args:
        kind: A dataclass whose fields are all optional.
        args: Texts as typed.
        engine: For messages.

    Raises:
        UserError: Unknown key, or a value of the wrong type.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, text in args.items():
        if key not in fields:
            raise UserError(
                f"--engine-arg {key}: engine {engine} has no such setting{nearest(key, fields)}",
                f"Settings of {engine}: {', '.join(fields) or 'none'}",
            )
        values[key] = _typed(text, hints[key], key)
    try:
        return kind(**values)
    except ValueError as error:
        raise UserError(f"--engine-arg: {error}") from error


def _typed(text: str, hint: Any, key: str) -> Any:
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if type(None) in kinds and text.lower() in ("none", "null"):
        return None
    kind = next(k for k in kinds if k is not type(None))
    if kind is bool:
        if text.lower() in ("true", "1", "yes", "on"):
            return True
        if text.lower() in ("false", "0", "no", "off"):
            return False
    elif kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    else:
        return text
    raise UserError(f"--engine-arg {key}={text}: {key} must be {kind.__name__}")
