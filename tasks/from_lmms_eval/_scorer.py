"""lmms-eval's own scoring of one answer, and its aggregations."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import random
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tasks._errors import LabelError
from tasks._types import Aggregation, Column, ProtocolName, Row, Rules, Scored
from tasks.from_lmms_eval._declared import Declared
from tasks.from_lmms_eval._package import module, one_line, quiet

_MAXIMA = {"mme_perception_score": 2000.0, "mme_cognition_score": 800.0}
_CIDER_MAXIMUM = 10.0
"""CIDEr-D is ten times a mean of cosines (Vedantam et al., 2015). Without it a weak model's, which
stays below 1, would pass for a share of 1, and a strong one's for no score at all."""
_SUBMISSION = "lmms-eval only writes a file for a server here: no score"


class Metric(NamedTuple):
    """One metric of a task under one of its filters."""

    theirs: str
    filter: int
    """Position of the filter in the task's list."""
    aggregation: Aggregation


def metrics_of(declared: Declared) -> tuple[Metric, ...]:
    """What a task reports: one a metric and filter, the main one first."""
    config = declared.config
    filters = [entry["name"] for entry in config.filter_list or []] or ["none"]
    found: list[Metric] = []
    names: set[str] = set()
    for metric in config.metric_list or []:
        name = metric["metric"]
        name = name if isinstance(name, str) else name.__name__
        for place, filter_name in enumerate(filters):
            text = name if place == 0 else f"{name} {filter_name}"
            plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "metric"
            while plain in names:
                plain += "_2"
            names.add(plain)
            found.append(Metric(name, place, _aggregation(plain, metric, name)))
    last = [m.aggregation.unusable is not None or m.aggregation.lower_is_better for m in found]
    order = sorted(range(len(found)), key=lambda place: last[place])
    return tuple(found[place] for place in order)


def _aggregation(plain: str, metric: Mapping[str, Any], name: str) -> Aggregation:
    module("lmms_eval.api.metrics")  # fills the registry
    registry = module("lmms_eval.api.registry")
    call, lower, unusable = metric.get("aggregation"), False, None
    with quiet():
        if isinstance(call, str):
            call = registry.get_aggregation(call)
        elif call is None:
            call = registry.get_metric_aggregation(name)
        higher = metric.get("higher_is_better")
        lower = not (registry.is_higher_better(name) if higher is None else higher)
    if call is None:
        unusable = "lmms-eval names no aggregation for it"
    elif "submi" in f"{name} {getattr(call, '__name__', '')}":
        unusable = _SUBMISSION
    return Aggregation(plain, _quietly(call), _maximum(name), unusable, lower)


def _maximum(name: str) -> float | None:
    return _CIDER_MAXIMUM if name.lower().endswith("cider") else _MAXIMA.get(name)


def _quietly(call: Any) -> Callable[[list[Any]], float]:
    def aggregate(items: list[Any]) -> float:
        with quiet(), _same_draws(0), _arguments_for(call) as arguments:
            number = call(items, **arguments)
            if number is None:
                raise ValueError("it gives no number")
            return float(number)

    return aggregate


@contextlib.contextmanager
def _arguments_for(call: Any) -> Iterator[dict[str, Any]]:
    """Some write files beside their score, where their runner's command line says."""
    if "args" not in inspect.signature(call).parameters:
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:
        yield {"args": argparse.Namespace(output_path=folder)}


@contextlib.contextmanager
def _same_draws(seed: int) -> Iterator[None]:
    """Unreadable choices are guessed by the global generator: a row gets the same guess always."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


class LmmsEvalScorer:
    """lmms-eval's `process_results` as one of our scorers. Its one protocol stands under `paper`.

    Args:
        declared: The task.
        opened: Gives the task object once its documents are open.
    """

    def __init__(self, declared: Declared, opened: Callable[[], Any]) -> None:
        self._declared = declared
        self._opened = opened
        self._metrics = metrics_of(declared)
        self.aggregations = tuple(metric.aggregation for metric in self._metrics)
        self.needs: frozenset[str] = frozenset()
        self.columns = tuple(Column(None, a.metric) for a in self.aggregations[:1])
        self.rules = Rules(paper="lmms-eval's own scoring")

    def metrics(self, protocol: ProtocolName, column: Column) -> tuple[str, ...]:
        """All of the task's; none under `strict`, which lmms-eval does not have."""
        if protocol == "strict":
            return ()
        return tuple(aggregation.metric for aggregation in self.aggregations)

    def check(self, row: Row) -> None:
        """Labels are lmms-eval's affair."""

    def paper(self, row: Row, text: str) -> Scored:
        """What lmms-eval's `process_results` makes of an answer.

        Raises:
            LabelError: It fails on this row.
        """
        try:
            return Scored({}, items=self.items(row.index, text))
        # Their scoring functions raise whatever a document or an answer leads them into.
        except Exception as error:
            raise LabelError(f"lmms-eval's scoring fails on this row: {one_line(error)}") from error

    def strict(self, row: Row, text: str) -> Scored:
        """There is no strict form."""
        return Scored({})

    def items(self, index: int, text: str) -> dict[str, Any]:
        """Items of one answer, by metric; a document may have no part in some."""
        task = self._opened()
        document = task.eval_docs_no_media[index]
        found: dict[str, Any] = {}
        with quiet(), _same_draws(index):
            for place, ensemble in enumerate(task._filters):
                answer = self._filtered(ensemble, text, document)
                # Their wrapper tries a failing row five times over, two seconds apart.
                result = type(task).process_results.__wrapped__(task, document, [answer])
                for metric in self._metrics:
                    if metric.filter == place and metric.theirs in result:
                        found[metric.aggregation.metric] = result[metric.theirs]
        return found

    def _filtered(self, ensemble: Any, text: str, document: Any) -> Any:
        reasoning = module("lmms_eval.api.reasoning")
        config = self._declared.config
        tags = reasoning.parse_reasoning_tags_config(task_value=config.reasoning_tags)
        answers: Any = [[text]]
        if config.auto_strip_thinking and tags is None:
            strip = module("lmms_eval.filters.transformation").StripThinkingFilter()
            answers = strip.apply(answers, [document])
        for step in ensemble.filters:
            answers = step.apply(answers, [document])
        answer = next(iter(answers))
        if tags is None:
            return answer
        if isinstance(answer, list):
            return [reasoning.strip_reasoning_tags(part, tags) for part in answer]
        return reasoning.strip_reasoning_tags(answer, tags)
