"""Whether a task's scoring asks another model over the network."""

from __future__ import annotations

import os
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PACKAGES = ("openai", "anthropic", "litellm", "dashscope", "google.genai", "google.generativeai")
_THEIRS = ("lmms_eval.llm_judge", "lmms_eval.verifiers.openai")
_NAMES = frozenset(
    ("API_KEY", "API_URL", "OPENAI_API_KEY", "OpenAIVerifier", "get_chat_response", "get_eval")
)
_KEYS = ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_API_KEY")


def judge_of(functions: list[Any], folders: tuple[Path, ...]) -> str | None:
    """What in these functions, or in what they call, asks a judge; None if nothing does.

    The compiled code is followed from name to name. What is only imported beside it, as in half of
    lmms-eval's task files, does not count.

    Args:
        functions: A task's scoring functions; what cannot be called is passed over.
        folders: Where code that is followed lies: lmms-eval's tasks, a user's own.
    """
    seen: set[int] = set()
    waiting = [function for function in functions if callable(function)]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        for code, names in _codes(thing):
            for name in _words(code):
                value = names.get(name)
                if _is_judge(name, value):
                    return name
                if any(_lies_in(code, folders) for code, _ in _codes(value)):
                    waiting.append(value)
    return None


def judge_key() -> str | None:
    """The variable that holds a judge's key, if one is set."""
    return next((key for key in _KEYS if os.environ.get(key)), None)


def _codes(thing: Any) -> Iterator[tuple[types.CodeType, dict[str, Any]]]:
    """Code of a function or of a class's methods, with the globals it sees."""
    thing = getattr(thing, "func", thing)  # functools.partial
    if thing is None or isinstance(thing, types.ModuleType):
        return
    if isinstance(thing, types.FunctionType):
        yield thing.__code__, thing.__globals__
        return
    kind = thing if isinstance(thing, type) else type(thing)
    for member in vars(kind).values():
        function = getattr(member, "__func__", member)
        if isinstance(function, types.FunctionType):
            yield function.__code__, function.__globals__


def _words(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _words(constant)


def _is_judge(name: str, value: Any) -> bool:
    home = value.__name__ if isinstance(value, types.ModuleType) else _home(value)
    return (
        name in _NAMES
        or name.startswith(_THEIRS)
        or name in _PACKAGES
        or home.startswith(_THEIRS)
        or home.split(".")[0] in _PACKAGES
    )


def _home(value: Any) -> str:
    kind = value if isinstance(value, type) or callable(value) else type(value)
    return str(getattr(kind, "__module__", None) or "")


def _lies_in(code: types.CodeType, folders: tuple[Path, ...]) -> bool:
    return any(Path(code.co_filename).is_relative_to(folder) for folder in folders)
