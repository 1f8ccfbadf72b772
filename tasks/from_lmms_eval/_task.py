"""An lmms-eval task as one of ours: its documents as rows, its scoring as a scorer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tasks._errors import UnreadableRow, UserError
from tasks._types import (
    Aggregation,
    Card,
    HubDataset,
    ImageRef,
    Row,
    RowSource,
    Scorer,
    Task,
    Unreadable,
)
from tasks.from_lmms_eval import _data
from tasks.from_lmms_eval._declared import Declared
from tasks.from_lmms_eval._package import one_line, version
from tasks.from_lmms_eval._questions import PICTURE_FORMAT, read_messages, references
from tasks.from_lmms_eval._scorer import LmmsEvalScorer


class LmmsEvalTask:
    """A declared task of lmms-eval; its documents are opened on demand.

    Args:
        declared: Its task file.
        spelling: How it was asked for.

    Raises:
        UserError: It has no metric that gives a score.
    """

    def __init__(self, declared: Declared, spelling: str) -> None:
        self.declared = declared
        self.spelling = spelling
        self.scorer = LmmsEvalScorer(declared, lambda: self._documents().task)
        self._opened: _data.Opened | None = None
        reasons = [a.unusable for a in self.aggregations]
        if all(reasons):
            raise UserError(next(iter(reasons), None) or "it names no metric")

    @property
    def id(self) -> str:
        """`lmms_eval:NAME`."""
        return f"lmms_eval:{self.declared.name}"

    @property
    def settings(self) -> Mapping[str, Any]:
        """lmms-eval's version, the task's configuration and code."""
        return self.declared.settings

    @property
    def aggregations(self) -> tuple[Aggregation, ...]:
        """How its items become scores."""
        return self.scorer.aggregations

    def open(self, data: str | None) -> RowSource:
        """Load its documents.

        Raises:
            UserError: They cannot be loaded, or ask for what cannot be shown here.
        """
        opened = _data.open_documents(self.declared, data)
        rows = LmmsEvalRows(self, opened)
        try:
            read_messages(opened.task.doc_to_messages(opened.task.eval_docs[0]))
        except UnreadableRow as error:
            raise UserError(f"{self.id} cannot be run here: {error}") from error
        except Exception as error:
            raise UserError(
                f"{self.id}: lmms-eval cannot make a prompt of the first document: "
                f"{one_line(error)}"
            ) from error
        self._opened = opened
        return rows

    def missed(self, index: int) -> Mapping[str, Any]:
        """Items of an empty answer, which stand for a row that has none."""
        try:
            return self.scorer.items(index, "")
        # Then the row has no part in any score that is not a mean; it is counted as failed.
        except Exception:  # noqa: BLE001
            return {}

    def _documents(self) -> _data.Opened:
        if self._opened is None:
            raise UserError(f"{self.id}: its documents are not open", "Use `harness eval`.")
        return self._opened

    def task(self) -> Task:
        """The task as the harness sees it."""
        declared = self.declared
        config = declared.config
        dataset = HubDataset(
            str(config.dataset_path), (str(config.dataset_name or "default"),), declared.split
        )
        return Task(
            id=self.id,
            group="lmms_eval",
            source=dataset,
            scorer=self.scorer,
            card=self._card(),
            max_new_tokens=declared.max_new_tokens,
            image_formats=(PICTURE_FORMAT,),
            generation=declared.generation,
            borrowed=self,
        )

    def _card(self) -> Card:
        names = ", ".join(aggregation.metric for aggregation in self.aggregations)
        stop = self.declared.generation.stop
        notes = [f"An answer ends before {', '.join(map(repr, stop))}."] if stop else []
        notes += [
            f"{a.metric}: {a.unusable or 'lower is better, so it is no score'}."
            for a in self.aggregations
            if a.unusable or a.lower_is_better
        ]
        return Card(
            title=self.declared.name,
            measures=f"what lmms-eval {version()} declares in {self.declared.path.name}",
            prompt="as lmms-eval's doc_to_messages writes it for chat models",
            rows="all of the split",
            paper=f"lmms-eval's own process_results and aggregation: {names}",
            strict="none",
            notes=tuple(notes),
        )


class LmmsEvalRows:
    """The documents of an open task as rows."""

    def __init__(self, owner: LmmsEvalTask, opened: _data.Opened) -> None:
        self._owner = owner
        self._opened = opened
        self._seen: dict[int, Row] = {}

    def describe(self) -> str:
        """The data set, its config and split."""
        return f"lmms-eval: {self._opened.where}"

    def fingerprint(self) -> str:
        """The documents' version; what else matters is in the task's settings."""
        text = f"{self._opened.where.rpartition('/')[2]} {self._opened.version}"
        return hashlib.sha256(text.encode()).hexdigest()

    def count(self) -> int:
        """Documents of the split."""
        return len(self._opened.task.eval_docs)

    def read(self, scorer: Scorer, *, images: bool = True) -> Iterator[Row | Unreadable]:
        """Yield rows in document order.

        A prompt may depend on the pictures, so the first reading always decodes them; rows without
        their pictures are kept for the readings after it.
        """
        for index in range(self.count()):
            if not images and index in self._seen:
                yield self._seen[index]
                continue
            row = self._row(index)
            self._seen[index] = replace(row, images=tuple(ImageRef(r.locator) for r in row.images))
            yield row if images else self._seen[index]

    def _row(self, index: int) -> Row:
        task = self._opened.task
        try:
            document = task.eval_docs[index]
            question = read_messages(task.doc_to_messages(document))
            return Row(
                index=index,
                id=str(index),
                prompt=question.prompt,
                label=_label(task.doc_to_target(document)),
                images=references(question.pictures, index),
                places=question.places,
            )
        except UnreadableRow as error:
            fault = str(error)
        # A damaged picture, a field that is missing, or their code: the row fails, and says why.
        except Exception as error:  # noqa: BLE001
            fault = one_line(error)
        return Row(index, str(index), "", "", (ImageRef(f"row {index}"),), fault=fault)


def _label(target: Any) -> str | tuple[str, ...]:
    return tuple(map(str, target)) if isinstance(target, (list, tuple)) else str(target)
