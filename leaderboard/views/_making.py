"""How a candidate was made: what `harness adapt` and `harness train` left beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from harness.errors import UserError
from leaderboard import _charts as charts
from leaderboard._address import link
from leaderboard._parts import fact, guarded, store
from leaderboard._tables import table
from leaderboard._text import clean, duration, one_line
from leaderboard.store import Candidate, Lineage
from leaderboard.views._differences import show_differences

_OF_ADAPT = ("name", "variant", "base_model", "overrides", "recipe", "audit")
_SCORES = ("diversity", "knowledge", "complexity", "accuracy", "consistency")


def show_verdict(candidate: Candidate, chosen: str) -> None:
    """What `harness adapt` concluded: in its words, then column by column.

    Args:
        candidate: Nothing is shown for one that no loop made.
        chosen: The protocol.
    """
    lineage = candidate.lineage
    verdict = lineage.adapt.get("verdict")
    if not isinstance(verdict, dict):
        return
    st.subheader("Verdict", anchor=False)
    with st.container(gap="xsmall"):
        for name, text in _sentences(verdict, lineage.part):
            fact(one_line(name, 20), text)
    page, compared = lineage.report()
    with guarded():
        _differences(compared, chosen)
    reference = store().run(lineage.reference or "")
    if reference is not None:
        link("compare", "See the rows that changed", icon=":material/compare_arrows:",
             a=reference.folder.id, b=candidate.key)  # fmt: skip
    if page:
        with st.expander("The whole report", icon=":material/article:"):
            # Its source: it quotes file names and reasons, and would be obeyed as Markdown.
            st.code(clean(page), language="markdown", wrap_lines=True)


def _sentences(verdict: Mapping[str, Any], part: str) -> list[tuple[str, str]]:
    if part == "first_stage":
        found = [("paper", verdict.get("first_stage"))]
    else:
        tasks = verdict.get("tasks")
        found = list(tasks.items()) if isinstance(tasks, dict) else []
        found.append(("ability", verdict.get("general_ability")))
    found.append(("test rows", verdict.get("test_rows")))
    return [(str(name), text) for name, text in found if isinstance(text, str)]


def _differences(compared: Mapping[str, Any], chosen: str) -> None:
    """The report's numbers; whoever wrote the file, it does not take the page down."""
    if not compared:
        return
    try:
        (pair,) = compared["pairs"]
        columns = [c for c in pair["columns"] if c["main"] and c["protocol"] == chosen and c["n"]]
        averages = [e for e in pair["averages"] if e["protocol"] == chosen and e["n"]]
        if columns:
            st.caption("A is what it is compared with, B this candidate.")
            show_differences(columns, averages, name="verdict")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise UserError("the report beside its stages is damaged") from error


def show_making(lineage: Lineage) -> None:
    st.subheader("How it was made", anchor=False)
    if not (lineage.stages or lineage.training or lineage.adapt):
        st.caption(
            "Nothing in its runs says so: `harness adapt` and `harness train` leave recipe, data "
            "card and training record where this page finds them."
        )
        return
    _funnel(lineage)
    _quality(lineage.quality())
    if lineage.training:
        _training(lineage)
    if lineage.adapt:
        with st.expander("Recipe", icon=":material/menu_book:"):
            kept = {name: lineage.adapt.get(name) for name in _OF_ADAPT}
            st.code(as_json(kept), language="json", wrap_lines=True)
    if card := lineage.card():
        with st.expander("Data card", icon=":material/description:"):
            # Its source: it quotes captions, and would be obeyed as Markdown.
            st.code(clean(card), language="markdown", wrap_lines=True)


def as_json(value: Mapping[str, Any]) -> str:
    """A record as people read it; it goes to `st.code`."""
    return clean(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def _funnel(lineage: Lineage) -> None:
    if not (stages := lineage.funnel):
        return
    st.markdown("**Rows, stage by stage**")
    records = []
    for stage in stages:
        rejects, seconds = stage.get("rejects"), stage.get("seconds")
        told = rejects.items() if isinstance(rejects, dict) else ()
        folder = stage.get("folder")
        records.append({
            "stage": clean(stage.get("stage")),
            "rows in": whole(stage.get("rows_in")), "rows out": whole(stage.get("rows_out")),
            "rejects": ", ".join(f"{count} {clean(reason)}" for reason, count in told) or None,
            "tokens": whole(stage.get("tokens")),
            "time": duration(seconds) if isinstance(seconds, int | float) else None,
            "folder": clean(folder) if folder else None,
        })  # fmt: skip
    wide = {"rejects": st.column_config.Column(width=330)}
    table(records, name="funnel", alt="Rows in and out of every stage", config=wide)
    cost = lineage.adapt.get("cost")
    if isinstance(cost, dict):
        seconds, tokens, gpu = (cost.get(key) for key in ("seconds", "tokens", "gpu_seconds"))
        spent = [duration(seconds)] if isinstance(seconds, int | float) else []
        spent += [f"{tokens:,} tokens"] if whole(tokens) is not None else []
        spent += [f"{duration(gpu)} of GPU time"] if isinstance(gpu, int | float) else []
        fact("loop", ", ".join(spent) or "-")


def whole(value: Any) -> int | None:
    """A whole number, None of anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _quality(quality: Mapping[str, Any]) -> None:
    sets = quality.get("sets")
    found = [s for s in sets if isinstance(s, dict)] if isinstance(sets, list) else []
    rows = [row for one_set in found for row in _kinds(one_set)]
    if not rows:
        return
    st.markdown("**Kinds of tasks in the training data**")
    st.altair_chart(
        charts.kinds(rows),
        width="stretch",
        key="kinds",
        alt="Share of samples of each kind of task; the table has the numbers",
    )
    records = [_rated(one_set) for one_set in found]
    shown = st.column_config.NumberColumn(format="%.1f")
    table(records, name="quality", alt="Scores of the quality report, 0 to 100",
          config=dict.fromkeys(_SCORES, shown))  # fmt: skip
    if not any(record["rated by"] for record in records):
        st.caption(
            "Diversity is counted; nobody has rated the rest: a `judge` in the recipe does, or "
            "people in the report's sheet."
        )


def _kinds(one_set: Mapping[str, Any]) -> list[dict[str, Any]]:
    types = one_set.get("types")
    counts = types.get("counts") if isinstance(types, dict) else None
    known = {str(k): n for k, n in counts.items() if whole(n)} if isinstance(counts, dict) else {}
    return [
        {"kind": kind, "set": str(one_set.get("name")), "samples": n,
         "share": 100 * n / sum(known.values())}
        for kind, n in known.items()
    ]  # fmt: skip


def _rated(one_set: Mapping[str, Any]) -> dict[str, Any]:
    """A set's scores as its judge gave them, else as people did."""
    by = next((who for who in ("judge", "people") if isinstance(one_set.get(who), dict)), None)
    rated = one_set[by] if by else {}
    record: dict[str, Any] = {"set": clean(one_set.get("name")),
                              "samples": whole(one_set.get("samples"))}  # fmt: skip
    for name in _SCORES:
        value = one_set.get(name) if name == "diversity" else rated.get(name)
        value = value.get("mean") if isinstance(value, dict) else value
        record[name] = float(value) if isinstance(value, int | float) else None
    return {**record, "rated by": by}


def _training(lineage: Lineage) -> None:
    st.markdown("**Training**")
    training, losses = lineage.training, lineage.losses
    with st.container(horizontal=True, gap="small"):
        for label, value in (
            ("steps", whole(training.get("steps"))),
            ("tokens", whole(training.get("tokens"))),
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
        st.code(as_json(kept), language="json", wrap_lines=True)
