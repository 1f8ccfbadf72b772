"""`python -m tasks.lmms_eval` writes the YAML files anew; a test says when that is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tasks._registry import GROUPS
from tasks._types import PROTOCOLS, Task
from tasks.lmms_eval import FOLDER
from tasks.lmms_eval.stock import metric_name

_HEAD = "# Written by `python -m tasks.lmms_eval`.\n"
_MODULE = "!function tasks.lmms_eval.stock"
_COMMON = f"""\
output_type: generate_until
test_split: test
doc_to_text: {_MODULE}.text
doc_to_target: {_MODULE}.target
metadata:
  version: 1
"""


class TaskFile(NamedTuple):
    """A file of the folder."""

    name: str
    text: str


def files() -> Iterator[TaskFile]:
    """What the folder must hold."""
    yield TaskFile("_common", _HEAD + _COMMON)
    for group, members in GROUPS.items():
        names = "".join(f"  - harness_{task.id}\n" for task in members)
        yield TaskFile(f"{group}.yaml", f"{_HEAD}group: harness_{group}\ntask:\n{names}")
        for task in members:
            yield TaskFile(f"{task.id}.yaml", _task(task))


def _task(task: Task) -> str:
    lines = [
        f"{_HEAD}include: _common",
        f"task: harness_{task.id}",
        f"dataset_path: {_MODULE}.{task.id}_path",
        f"dataset_name: {_MODULE}.{task.id}_config",
        f"dataset_kwargs: {_MODULE}.{task.id}_kwargs",
        f"process_docs: {_MODULE}.{task.id}_docs",
        f"doc_to_visual: {_MODULE}.{task.id}_visual",
        f"process_results: {_MODULE}.{task.id}_results",
        "generation_kwargs:",
        f"  max_new_tokens: {task.max_new_tokens}",
        "  temperature: 0",
        "  do_sample: false",
        "  until: []",
        "metric_list:",
    ]
    for column in task.scorer.columns:
        for protocol in PROTOCOLS:
            for metric in task.scorer.metrics(protocol, column):
                lines += [
                    f"  - metric: {metric_name(protocol, column, metric)}",
                    f"    aggregation: {_MODULE}.score",
                    "    higher_is_better: true",
                ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for file in files():
        (FOLDER / file.name).write_text(file.text, encoding="utf-8")
