"""Putting scores into a model's folder without touching what others wrote there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from harness.errors import UserError
from harness.export._model_index import EVALUATOR
from harness.files import replacing
from tasks._yaml import compose_yaml, load_yaml

if TYPE_CHECKING:
    from huggingface_hub import EvalResultEntry

_KEY = "model-index"


def front_matter(index: Sequence[dict[str, Any]]) -> str:
    """A card's head with nothing but the scores."""
    return f"---\n{_dumped({_KEY: list(index)})}---\n"


def write_card(path: Path, index: Sequence[dict[str, Any]]) -> None:
    """Merge scores into a card, or begin one.

    The rest of the front matter and the text stay as they are, byte for byte. Of an existing
    `model-index`, entries of other evaluators stay, and ours for the same scores are replaced.

    Args:
        path: The card, usually README.md.
        index: Our `model-index`.

    Raises:
        UserError: The card's front matter cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    merged = _merged(path, text, index)
    with replacing(path) as temporary:
        temporary.write_bytes(merged.encode("utf-8"))


def _merged(path: Path, text: str, index: Sequence[dict[str, Any]]) -> str:
    from huggingface_hub.repocard import REGEX_YAML_BLOCK

    block = REGEX_YAML_BLOCK.match(text)
    if block is None:
        return front_matter(index) + (f"\n{text}" if text else "")
    head = block.group(2)
    newline = "\r\n" if "\r\n" in block.group(1) else "\n"
    try:
        node = compose_yaml(head)
        old = load_yaml(head)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UserError(
            f"{path}: its front matter is no YAML: {error}", "Mend it, or give another --out."
        ) from error
    if node is None:
        start = end = len(head)
        old = {}
    elif not isinstance(node, yaml.MappingNode) or node.flow_style:
        raise UserError(f"{path}: its front matter is no list of `key: value` lines")
    else:
        start, end = _place(node, head)
    ours = _dumped({_KEY: _combined(path, old.get(_KEY), index)}).replace("\n", newline)
    before, after = head[:start], head[end:]
    if before and not before.endswith("\n"):
        before += newline
    if not after:
        ours = ours.removesuffix(newline)
    return text[: block.start(2)] + before + ours + after + text[block.end(2) :]


def _place(node: yaml.MappingNode, head: str) -> tuple[int, int]:
    """Where `model-index` stands in the front matter; its end where there is none."""
    keys = [key for key, _ in node.value]
    for place, key in enumerate(keys):
        if key.value != _KEY:
            continue
        if place + 1 == len(keys):
            return key.start_mark.index, len(head)
        return key.start_mark.index, keys[place + 1].start_mark.index
    return len(head), len(head)


def _combined(path: Path, old: Any, index: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The existing model's results without our earlier ones, then ours."""
    if old is None:
        return list(index)
    if not isinstance(old, list) or len(old) != 1 or not isinstance(old[0], dict):
        raise UserError(
            f"{path}: its model-index does not describe one model", "Mend it, or remove it."
        )
    entry, ours = dict(old[0]), index[0]["results"]
    results = entry.get("results") or []
    if not isinstance(results, list):
        raise UserError(f"{path}: the results of its model-index are no list")
    new = {_identity(result, metric) for result in ours for metric in result["metrics"]}
    kept = []
    for result in results:
        metrics = result.get("metrics") if isinstance(result, dict) else None
        if not isinstance(metrics, list):
            kept.append(result)
            continue
        others = [m for m in metrics if not (_is_ours(m) and _identity(result, m) in new)]
        if others:
            kept.append({**result, "metrics": others})
    return [{**entry, "results": [*kept, *ours]}]


def _is_ours(metric: Any) -> bool:
    args = metric.get("args") if isinstance(metric, dict) else None
    return isinstance(args, dict) and args.get("evaluator") == EVALUATOR


def _identity(result: dict[str, Any], metric: dict[str, Any]) -> tuple[str, ...]:
    """What makes two metrics of ours the same score, measured twice."""
    dataset = result.get("dataset")
    dataset = dataset if isinstance(dataset, dict) else {}
    place = (dataset.get(key) for key in ("type", "config", "split"))
    kind = (metric.get("type"), *(metric["args"].get(key) for key in ("protocol", "split")))
    return tuple(str(part) for part in (*place, *kind))


def write_result_files(folder: Path, files: dict[str, list[EvalResultEntry]]) -> list[Path]:
    """Write `.eval_results/<task>.yaml`.

    Raises:
        UserError: A file of that name is by someone else.
    """
    from huggingface_hub import eval_result_entries_to_yaml

    paths = [folder / ".eval_results" / name for name in files]
    for path in paths:
        if path.exists() and not _ours(path):
            raise UserError(
                f"{path} was not written by this program", "Move it away, or give another --out."
            )
    for path, entries in zip(paths, files.values(), strict=True):
        with replacing(path) as temporary:
            temporary.write_text(_dumped(eval_result_entries_to_yaml(entries)), encoding="utf-8")
    return paths


def _ours(path: Path) -> bool:
    try:
        entries = load_yaml(path.read_text(encoding="utf-8"))
        return all(EVALUATOR in entry["notes"] for entry in entries)
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError, RecursionError):
        return False


def _dumped(value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10_000)
    return text
