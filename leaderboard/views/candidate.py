"""One candidate: what it is, how it was made, what it cost, what it kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from harness.export import LoadedRun
from leaderboard import _charts as charts
from leaderboard._address import asked, link, one, protocol
from leaderboard._parts import fact, gone, no_runs, store, subject
from leaderboard._tables import table
from leaderboard._text import clean, duration, one_line, parameters
from leaderboard.store import Candidate, Lineage, Stage
from leaderboard.store._candidates import columns_of

_BORROWED = "lmms_eval:"
_OF_ADAPT = ("name", "variant", "base_model", "overrides", "recipe", "cost", "audit")
_OF_RUN = ("start", "end", "engine", "packages", "git_commit", "data", "settings")


def draw() -> None:
    """Draw the page."""
    st.title("Candidate", anchor=False)
    found = store().look()
    if no_runs(found):
        return
    candidates = {c.key: c for c in reversed(store().candidates())}
    named = asked("run", found.runs)
    if named is not None and named not in candidates:
        # Any of its runs leads to the candidate.
        owner = store().candidate_of(named)
        if owner is None:
            gone("candidate")
            return
        st.query_params["run"] = owner.key
    names = {key: one_line(c.label) for key, c in candidates.items()}
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        candidate = candidates[one("Candidate", list(candidates), "run", names=names)]
    with right:
        chosen = protocol()
    _head(candidate)
    _scores(candidate, chosen)
    _retention(candidate, chosen)
    _making(candidate.lineage)
    _cost(candidate)
    _runs(candidate)


def _head(candidate: Candidate) -> None:
    subject(candidate.label)
    if candidate.marks:
        with st.container(horizontal=True, gap="xsmall"):
            for mark in candidate.marks:
                # A mark may quote a run's settings.
                st.text(f"[{one_line(mark, 60)}]")
    model, facts = candidate.runs[0].model, candidate.facts
    left, right = st.columns(2, gap="large")
    with left:
        fact("from", model.ref)
        fact("revision", model.revision or "-")
        fact("weights", model.fingerprint or "-")
        fact("engine", _engine(candidate))
    with right:
        fact("base", facts.family or "not known")
        fact("size", parameters(facts.parameters))
        fact("method", facts.method or "not known")
        fact("data", facts.data or "not known")


def _engine(candidate: Candidate) -> str:
    engine = candidate.runs[0].record.get("engine")
    if not isinstance(engine, dict):
        return "-"
    return " ".join(str(engine[key]) for key in ("name", "version") if engine.get(key))


def _scores(candidate: Candidate, chosen: str) -> None:
    st.subheader("Scores", anchor=False)
    records = []
    for column in columns_of([candidate], chosen):
        cell = candidate.cell(column, chosen)
        if cell is None:
            continue
        records.append({
            "column": column.name, "metric": column.measure, "score": cell.score, "low": cell.low,
            "high": cell.high, "rows": cell.n, "pictures": cell.clusters,
            "unparsed": cell.unparsed, "guessed": cell.guessed, "failed": cell.failed,
            "note": (cell.seen and f"may have seen the test data: {cell.seen}") or cell.reason,
        })  # fmt: skip
    points = st.column_config.NumberColumn(format="%.1f")
    table(
        records,
        name="scores",
        alt=f"Scores under the {chosen} protocol",
        config=dict.fromkeys(("score", "low", "high"), points),
    )
    with st.container(horizontal=True, gap="medium"):
        link("samples", "Its rows", icon=":material/photo_library:", run=candidate.key)
        link("compare", "Compare it", icon=":material/compare_arrows:", b=candidate.key)


def _retention(candidate: Candidate, chosen: str) -> None:
    """General ability before and after, where it was measured."""
    pair = _pair(candidate)
    if pair is None:
        return
    before, after = pair
    records = []
    for line in after.lines:
        if not line.main or line.protocol != chosen or line.task not in before.tasks:
            continue
        same = (line.task, line.split, line.metric, line.protocol)
        base = next(
            (x.score for x in before.lines if (x.task, x.split, x.metric, x.protocol) == same), None
        )
        kept = None if base is None or line.score is None else line.score - base
        name = f"{line.task} {line.split}" if line.split else line.task
        records.append({"column": clean(name), "before": base, "after": line.score, "kept": kept})
    st.subheader("General ability", anchor=False)
    points = st.column_config.NumberColumn(format="%.1f")
    table(records, name="retention", alt="General ability before and after",
          config={"before": points, "after": points,
                  "kept": st.column_config.NumberColumn(format="%+.1f")})  # fmt: skip
    link(
        "compare",
        "Is a difference shown?",
        icon=":material/compare_arrows:",
        a=before.folder.id,
        b=after.folder.id,
    )


def _pair(candidate: Candidate) -> tuple[LoadedRun, LoadedRun] | None:
    """Runs of base and candidate over the same tasks of general ability."""
    if (named := candidate.lineage.retention) is not None:
        before, after = (store().run(name) for name in named)
        return (before, after) if before and after else None
    after = next((run for run in candidate.runs if run.tasks[0].startswith(_BORROWED)), None)
    base = candidate.lineage.base_model
    if after is None or base is None:
        return None
    runs = reversed(store().look().runs.values())
    before = next(
        (r for r in runs if base in (r.model.ref, r.model.name) and {*r.tasks} & {*after.tasks}),
        None,
    )
    return (before, after) if before else None


def _making(lineage: Lineage) -> None:
    st.subheader("How it was made", anchor=False)
    if not (lineage.stages or lineage.training or lineage.adapt):
        st.caption(
            "Nothing in its runs says so: `harness adapt` and `harness train` leave recipe, data "
            "card and training record where this page finds them."
        )
        return
    _verdict(lineage.adapt.get("verdict"))
    if lineage.stages:
        _funnel(lineage.stages)
    if lineage.quality:
        _quality(lineage.quality)
    if lineage.training:
        _training(lineage)
    if lineage.adapt:
        with st.expander("Recipe", icon=":material/menu_book:"):
            kept = {name: lineage.adapt.get(name) for name in _OF_ADAPT}
            st.code(_as_json(kept), language="json", wrap_lines=True)
    if lineage.card:
        with st.expander("Data card", icon=":material/description:"):
            # Its source: it quotes captions, and would be obeyed as Markdown.
            st.code(clean(lineage.card), language="markdown", wrap_lines=True)


def _verdict(verdict: Any) -> None:
    """What `harness adapt` concluded, in its words."""
    if not isinstance(verdict, dict):
        return
    tasks = verdict.get("tasks")
    for scoring, text in tasks.items() if isinstance(tasks, dict) else ():
        fact(one_line(scoring, 20), text)
    for name, key in (("ability", "general_ability"), ("test rows", "test_rows")):
        if isinstance(text := verdict.get(key), str):
            fact(name, text)


def _as_json(value: Mapping[str, Any]) -> str:
    return clean(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def _funnel(stages: Sequence[Stage]) -> None:
    st.markdown("**Rows, stage by stage**")
    records = []
    for stage in stages:
        record = stage.record
        rejects = record.get("rejects")
        told = rejects.items() if isinstance(rejects, dict) else ()
        before, after = record.get("rows_in"), record.get("rows_out")
        seconds = record.get("seconds")
        records.append({
            "stage": clean(stage.name), "rows in": _whole(before), "rows out": _whole(after),
            "rejects": ", ".join(f"{count} {clean(reason)}" for reason, count in told) or None,
            "new tokens": _whole(record.get("tokens")),
            "time": duration(seconds) if isinstance(seconds, int | float) else None,
            "folder": clean(stage.path),
        })  # fmt: skip
    table(records, name="funnel", alt="Rows in and out of every stage")


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _quality(quality: Mapping[str, Any]) -> None:
    sets = quality.get("sets")
    found = [s for s in sets if isinstance(s, dict)] if isinstance(sets, list) else []
    for place, one_set in enumerate(found):
        types = one_set.get("types")
        counts = types.get("counts") if isinstance(types, dict) else None
        if not isinstance(counts, dict) or not counts:
            continue
        st.markdown("**Kinds of tasks in the training data**")
        st.text(one_line(one_set.get("name")))
        numbers = {str(k): float(v) for k, v in counts.items() if isinstance(v, int | float)}
        st.altair_chart(
            charts.bars(numbers, title="samples"),
            width="stretch",
            key=f"types-{place}",
            alt="Number of samples of each kind of task",
        )


def _training(lineage: Lineage) -> None:
    st.markdown("**Training**")
    training, losses = lineage.training, lineage.losses
    with st.container(horizontal=True, gap="small"):
        for label, value in (
            ("steps", _whole(training.get("steps"))),
            ("tokens", _whole(training.get("tokens"))),
            ("time", duration(lineage.training_seconds)),
        ):
            shown = f"{value:,}" if isinstance(value, int) else str(value or "-")
            st.metric(label, shown, border=True, width=170)
    if len(losses) > 1:
        st.altair_chart(
            charts.curve(losses),
            width="stretch",
            key="loss",
            alt=f"Training loss from {losses[0][1]:.3g} to {losses[-1][1]:.3g}",
        )
    with st.expander("Training record", icon=":material/tune:"):
        kept = {key: value for key, value in training.items() if key != "losses"}
        st.code(_as_json(kept), language="json", wrap_lines=True)


def _cost(candidate: Candidate) -> None:
    st.subheader("What its evaluation cost", anchor=False)
    records = []
    for run in candidate.runs:
        tokens, seconds = run.record.get("tokens"), run.record.get("seconds")
        tokens = tokens if isinstance(tokens, dict) else {}
        seconds = seconds if isinstance(seconds, dict) else {}
        records.append({
            "run": run.folder.id, "rows asked": _whole(run.record.get("asked")),
            "prompt tokens": _whole(tokens.get("prompt")), "new tokens": _whole(tokens.get("new")),
            "generating (s)": seconds.get("generate"), "GPU seconds": run.record.get("gpu_seconds"),
        })  # fmt: skip
    table(records, name="cost", alt="Tokens and seconds of each run")


def _runs(candidate: Candidate) -> None:
    st.subheader("Runs, and how to hand them on", anchor=False)
    for run in candidate.runs:
        with st.expander("Settings of a run", icon=":material/folder:"):
            st.text(clean(run.folder.path))
            kept = {name: run.record.get(name) for name in _OF_RUN}
            st.code(_as_json(kept), language="json", wrap_lines=True)
    paths = " ".join(
        f"'{run.folder.path}'" if _odd(str(run.folder.path)) else str(run.folder.path)
        for run in candidate.runs
    )
    forms = ("markdown", "latex", "csv", "model-index", "lmms-eval")
    st.code(
        "\n".join(f"harness export {clean(paths)} --to {form}" for form in forms),
        language="bash",
        wrap_lines=True,
    )


def _odd(path: str) -> bool:
    return not all(c.isalnum() or c in "/._+-" for c in path)
