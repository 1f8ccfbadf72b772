"""What a comparison says of a candidate, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.comparison import compare_runs
from harness.runs import RunFolder

SAME_MODEL = "Reference and candidate are the same model: training has changed no weight."
_ROWS_NAMED = 3


@dataclass(frozen=True)
class Compared:
    """A candidate beside a reference; `Comparison.to_json` of the two, or why there is none."""

    found: dict[str, Any] | None
    reason: str | None = None

    @property
    def pair(self) -> dict[str, Any]:
        """Candidate against reference."""
        pairs = self.found["pairs"] if self.found else []
        return dict(pairs[0]) if pairs else {}

    def columns(self, protocol: str) -> list[dict[str, Any]]:
        """Every published column under one protocol that has rows."""
        columns = self.pair.get("columns", [])
        mine = [each for each in columns if each["main"] and each["protocol"] == protocol]
        return [each for each in mine if each["n"]]

    def averages(self, protocol: str) -> list[dict[str, Any]]:
        """Of groups, and of all columns where that is no group's."""
        averages = [each for each in self.pair.get("averages", []) if each["protocol"] == protocol]
        known = [each for each in averages if each["difference"] is not None]
        groups = [each for each in known if each["name"] != "all"]
        one_group = len(groups) == sum(each["name"] != "all" for each in averages) == 1
        return groups if one_group else known

    @property
    def protocols(self) -> list[str]:
        """Those compared, in order."""
        return list(self.found["protocols"]) if self.found else []

    @property
    def partial(self) -> bool:
        """Whether rows were left out."""
        return bool(self.found and self.found["partial"])


def compare(reference: RunFolder | None, candidate: RunFolder | None) -> Compared:
    """Compare two runs.

    Raises:
        UserError: They hold other rows, or rules.
    """
    if reference is None or candidate is None:
        return Compared(None, "The recipe compares with nothing (`eval.compare_with: null`).")
    if reference.path.resolve() == candidate.path.resolve():
        return Compared(None, SAME_MODEL)
    paths = (reference.path, candidate.path)
    return Compared(compare_runs(paths, rows=_ROWS_NAMED).to_json())


def place_of(column: Mapping[str, Any]) -> str:
    """Task and split."""
    return " ".join(part for part in (column["task"], column["split"]) if part)


def headline(compared: Compared, protocol: str = "paper") -> str:
    """What has changed, as a sentence."""
    if compared.found is None:
        return compared.reason or "Nothing was compared."
    columns = compared.columns(protocol)
    parts = [_counted(columns)]
    for average in compared.averages(protocol):
        name = f"{average['name']} average" if average["name"] != "all" else "average"
        parts.append(f"{name} {signed(average)}: {average['verdict']}")
    rows = " (partial: rows were left out)" if compared.partial else ""
    return f"{'; '.join(parts)}{rows}."


def _counted(columns: Sequence[Mapping[str, Any]]) -> str:
    total = len(columns)
    words = [_named(columns, word) for word in ("better", "worse")]
    others = [c for c in columns if c["verdict"] not in ("better", "worse")]
    told = ", ".join(word for word in words if word)
    if all(column["verdict"] == "same on every row" for column in columns):
        return "the same on every row"
    if not told:
        where = "the one column" if total == 1 else f"any of {total} columns"
        return f"no difference shown in {where}"
    rest = f", no difference shown on {len(others)}" if others else ""
    return f"{told} (of {total} column{'s' if total > 1 else ''}){rest}"


def _named(columns: Iterable[Mapping[str, Any]], word: str) -> str:
    found = [place_of(column) for column in columns if column["verdict"] == word]
    return f"{word} on {len(found)}: {', '.join(found)}" if found else ""


def signed(estimate: Mapping[str, Any]) -> str:
    """`+3.2 (1.1 to 5.3)`."""
    if estimate["difference"] is None:
        return "-"
    interval = "" if estimate["ci95"] is None else " ({:+.1f} to {:+.1f})".format(*estimate["ci95"])
    return f"{estimate['difference']:+.1f}{interval}"


def general_ability(retention: Compared | None, protocol: str = "paper") -> str:
    """What was lost, as a sentence."""
    if retention is None:
        return "Not measured: the recipe names no `eval.retention` tasks."
    if retention.found is None:
        return retention.reason or "Not compared."
    columns = retention.columns(protocol)
    lost = [column for column in columns if column["verdict"] == "worse"]
    gained = [column for column in columns if column["verdict"] == "better"]
    unpaired = retention.found["unpaired"]
    told = [f"lost on {place_of(each)}: {signed(each)}" for each in lost]
    told += [f"gained on {place_of(each)}: {signed(each)}" for each in gained]
    if not told:
        least = [f"{place_of(each)} {signed(each)}" for each in columns]
        told = [f"no loss shown ({', '.join(least)})" if least else "no column can be compared"]
    if unpaired:
        told.append(f"{len(unpaired)} scores are no mean over rows and have no interval")
    return "; ".join(told) + "."


def contamination(
    audit: Mapping[str, Any] | None, *, others: Sequence[str] = (), tasks: Sequence[str] = ()
) -> str:
    """Whether training data touched the test rows, in sentences.

    Args:
        audit: Counts of the audit; None if there was none.
        others: What was trained on without an audit, in words.
        tasks: The tasks that the candidate is measured on.
    """
    told = [_audited(audit)]
    if audit is not None:
        known = {task["id"] for task in audit["tasks"]}
        if left := [task for task in tasks if task not in known]:
            told.append(f"Not compared with the test rows of {', '.join(left)}.")
    if others:
        told.append(
            f"Trained on without an audit: {', '.join(others)} (`harness audit FILE --tasks ...` "
            "looks for test rows)."
        )
    return " ".join(told)


def _audited(audit: Mapping[str, Any] | None) -> str:
    if audit is None:
        return "Not audited: no task was named under `synth.audit`."
    tasks = ", ".join(task["id"] for task in audit["tasks"])
    rows, found = audit["rows_in"], audit["contaminated"]
    unusable = f"; {audit['unusable']:,} could not be audited" if audit["unusable"] else ""
    if not found:
        return f"None of {rows:,} conversations holds a test row of {tasks}{unusable}."
    done = (
        "were left out" if audit["action"] == "remove" else "WERE TRAINED ON (audit_action: report)"
    )
    return f"{found:,} of {rows:,} conversations hold test rows of {tasks} and {done}{unusable}."
