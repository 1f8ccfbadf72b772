"""One candidate: what it is, how it was made, what it cost, what it kept."""

from __future__ import annotations

import streamlit as st

from harness.export import LoadedRun
from leaderboard._address import asked, link, one, protocol
from leaderboard._parts import fact, gone, name_of_column, no_runs, store, subject, title_of
from leaderboard._tables import table
from leaderboard._text import clean, one_line, parameters
from leaderboard.store import Candidate
from leaderboard.store._candidates import columns_of
from leaderboard.store._pictures import BORROWED
from leaderboard.views._making import as_json, show_making, show_verdict, whole

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
    show_verdict(candidate, chosen)
    _scores(candidate, chosen)
    _retention(candidate, chosen)
    show_making(candidate.lineage)
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
    with left, st.container(gap="xsmall"):
        fact("from", model.ref)
        fact("revision", model.revision or "-")
        fact("weights", model.fingerprint or "-")
        fact("engine", _engine(candidate))
    with right, st.container(gap="xsmall"):
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
            "column": name_of_column(column), "metric": column.measure,
            "score": cell.score, "low": cell.low, "high": cell.high,
            "rows": cell.n, "pictures": cell.clusters,
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
        change = None if base is None or line.score is None else line.score - base
        records.append({"column": title_of(line.task, line.split), "metric": line.metric,
                        "before": base, "after": line.score, "change": change})  # fmt: skip
    st.subheader("General ability", anchor=False)
    points = st.column_config.NumberColumn(format="%.1f")
    table(records, name="retention", alt="General ability before and after",
          config={"before": points, "after": points,
                  "change": st.column_config.NumberColumn(format="%+.1f")})  # fmt: skip
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
    after = next((run for run in candidate.runs if run.tasks[0].startswith(BORROWED)), None)
    base = candidate.lineage.base_model
    if after is None or base is None:
        return None
    runs = reversed(store().look().runs.values())
    before = next(
        (r for r in runs if base in (r.model.ref, r.model.name) and {*r.tasks} & {*after.tasks}),
        None,
    )
    return (before, after) if before else None


def _cost(candidate: Candidate) -> None:
    st.subheader("What its evaluation cost", anchor=False)
    records = []
    for run in candidate.runs:
        tokens, seconds = run.record.get("tokens"), run.record.get("seconds")
        tokens = tokens if isinstance(tokens, dict) else {}
        seconds = seconds if isinstance(seconds, dict) else {}
        records.append({
            "run": run.folder.id, "rows asked": whole(run.record.get("asked")),
            "prompt tokens": whole(tokens.get("prompt")), "new tokens": whole(tokens.get("new")),
            "generating (s)": seconds.get("generate"), "GPU seconds": run.record.get("gpu_seconds"),
        })  # fmt: skip
    table(records, name="cost", alt="Tokens and seconds of each run")


def _runs(candidate: Candidate) -> None:
    st.subheader("Runs, and how to hand them on", anchor=False)
    for place, run in enumerate(candidate.runs, 1):
        # Its name would be Markdown here.
        with st.expander(f"Settings of run {place}", icon=":material/folder:"):
            st.text(clean(run.folder.path))
            kept = {name: run.record.get(name) for name in _OF_RUN}
            st.code(as_json(kept), language="json", wrap_lines=True)
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
