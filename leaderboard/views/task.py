"""One task: what it measures, how it is scored, what was published, how the protocols differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from leaderboard import _charts as charts
from leaderboard._address import link, one
from leaderboard._parts import fact, head_of, store, subject
from leaderboard._tables import table
from leaderboard._text import clean, one_line
from leaderboard.store import Candidate
from leaderboard.store._candidates import columns_of, group_of
from tasks import PROTOCOLS, TASKS, Task
from tasks._reference import published_scores


def draw() -> None:
    """Draw the page."""
    st.title("Task", anchor=False)
    runs = store().look().runs.values()
    own = [task for run in runs for task in run.tasks if task not in TASKS]
    names = {
        id_: f"{task.card.title} ({task.group.replace('_', ' ')})" for id_, task in TASKS.items()
    }
    task = one("Task", list(dict.fromkeys([*TASKS, *own])), "task", names=names)
    if task in TASKS:
        _card(TASKS[task])
    else:
        subject(task)
        st.caption("A task of somebody's own, or of lmms-eval: its card is where its rows are.")
    _rules(task)
    _measured(task)
    if task in TASKS:
        _published(task)


def _card(task: Task) -> None:
    card = task.card
    subject(card.title)
    st.text(card.measures)
    left, right = st.columns(2, gap="large")
    with left, st.container(gap="xsmall"):
        fact("id", task.id)
        fact("rows", card.rows)
        fact("version", task.version)
        fact("clusters", "pictures" if task.cluster == "image" else "rows")
        fact("tokens", f"at most {task.max_new_tokens:,} in an answer")
        if task.source is not None:
            fact("from", f"{task.source.repo}, {task.source.configs[0]}, {task.source.split}")
        for note in card.notes:
            fact("note", note)
    with right:
        st.markdown("**Prompt**")
        st.code(card.prompt, language=None, wrap_lines=True)
    left, right = st.columns(2, gap="large")
    with left, st.container(border=True):
        st.markdown("**Scored under paper**")
        st.text(card.paper)
    with right, st.container(border=True):
        st.markdown("**Scored under strict**")
        st.text(card.strict)


def _rules(task: str) -> None:
    """Choices that the runs here name, and why models may have seen the rows."""
    lines = [
        line for run in store().look().runs.values() for line in run.lines if line.task == task
    ]
    rules = dict.fromkeys((line.protocol, line.rule) for line in lines if line.main and line.rule)
    for protocol, rule in rules:
        fact(f"{protocol}", f"rule: {rule}")
    for why in dict.fromkeys(line.may_have_seen for line in lines if line.may_have_seen):
        fact("† seen", why)


def _measured(task: str) -> None:
    st.subheader("Paper and strict, side by side", anchor=False)
    candidates = [c for c in reversed(store().candidates()) if c.run_of(task)]
    newest = candidates[0].run_of(task) if candidates else None
    if newest is None:
        st.caption("No run here holds this task.")
        return
    records = _both(task, candidates)
    drawn = [r for r in records if r["paper"] is not None and r["strict"] is not None]
    if drawn:
        st.altair_chart(
            charts.protocols(drawn[: charts.MOST_PAIRS]),
            width="stretch",
            key="protocols",
            alt="Scores under both protocols; the table has the numbers",
        )
    points = st.column_config.NumberColumn(format="%.1f")
    signed = st.column_config.NumberColumn(format="%+.1f")
    table(records, name=f"{_file(task)}-protocols", alt="Scores under both protocols",
          config={"paper": points, "strict": points, "strict - paper": signed})  # fmt: skip
    link(
        "samples",
        "Rows of the newest run",
        icon=":material/photo_library:",
        run=newest.folder.id,
        task=task,
    )


def _both(task: str, candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    records = []
    for candidate in candidates:
        for column in columns_of([candidate], "paper"):
            if column[:2] != (group_of(task), task):
                continue
            cells = [candidate.cell(column, protocol) for protocol in PROTOCOLS]
            paper, strict = (cell.score if cell else None for cell in cells)
            both = paper is not None and strict is not None
            records.append({
                "candidate": clean(candidate.label), "column": head_of(column),
                "kind": ", ".join(candidate.marks) or "measured", "paper": paper, "strict": strict,
                "strict - paper": strict - paper if both else None,  # type: ignore[operator]
                "guessed": cells[0].guessed if cells[0] else None,
                "unparsed": cells[1].unparsed if cells[1] else None,
                "rows": cells[0].n if cells[0] else None,
            })  # fmt: skip
    return records


def _published(task: str) -> None:
    st.subheader("Published scores", anchor=False)
    records = [
        {
            "model": line.model, "base": line.base_model, "split": line.split,
            "metric": line.metric, "score": line.score, "method": line.method,
            "training data": line.image_caption_source, "source": line.source,
        }
        for line in published_scores()
        if line.task == task
    ]  # fmt: skip
    table(
        records,
        name=f"{_file(task)}-published",
        alt="Published scores on this task",
        config={"score": st.column_config.NumberColumn(format="%.1f")},
    )


def _file(task: str) -> str:
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in one_line(task, 60))
