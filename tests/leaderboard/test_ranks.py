"""Rank ranges from sums over clusters are those of `harness compare`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from leaderboard_runs import indexed

from harness.comparison import compare_runs, paired_difference
from harness.comparison import rank_ranges as by_rows
from harness.statistics import holm
from leaderboard.store import Store
from leaderboard.store._candidates import columns_of
from leaderboard.store._digest import Digest
from leaderboard.store._ranks import _holm, gram_of, rank_ranges

Open = Callable[[Path], Store]


def test_ranges_equal_those_of_compare(store: Store) -> None:
    indexed(store)
    candidates = store.candidates()
    paths = [candidate.runs[0].folder.path for candidate in candidates]
    wanted = compare_runs(paths, protocols=("paper", "strict"), rows=0).rankings
    checked = 0
    for protocol in ("paper", "strict"):
        columns = columns_of(candidates, protocol)
        by_place = {(c.task, c.split): c for c in columns}
        for ranking in wanted:
            if ranking.protocol != protocol or ranking.column is None:
                continue
            column = by_place[ranking.column.task, ranking.column.split]
            found = store.ranks(candidates, column, columns, protocol)
            assert [found[c.key] for c in candidates] == list(ranking.ranges), str(ranking.name)
            checked += 1
    assert checked == 14


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    candidates=st.integers(2, 6),
    clusters=st.integers(2, 30),
    rows=st.integers(30, 200),
)
def test_any_values_over_any_clusters(seed: int, candidates: int, clusters: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, clusters, rows)
    skill = rng.random(candidates)
    values = (rng.random((candidates, rows)) < skill[:, None]) * 100.0
    counts = np.bincount(codes, minlength=clusters)
    digests = [
        Digest("x", {"-": counts}, {"-/paper": np.bincount(codes, weights=v, minlength=clusters)})
        for v in values
    ]
    found = rank_ranges([gram_of(digests, ["-"], "paper")])
    wanted = by_rows(
        candidates, lambda i, j: paired_difference(values[i], values[j], codes, resample=False)
    )
    assert found == list(wanted)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=30))
def test_holm_is_the_harness_own(p_values: list[float | None]) -> None:
    found = _holm(np.array([np.nan if p is None else p for p in p_values], dtype=float))
    wanted = holm(p_values)
    assert [None if np.isnan(p) else float(p) for p in found] == wanted


def test_the_index_may_be_deleted_or_damaged_at_any_time(
    team: Path, tmp_path: Path, open_store: Open
) -> None:
    first = open_store(team)
    indexed(first)
    candidates = first.candidates()
    columns = columns_of(candidates, "paper")
    wanted = {column: first.ranks(candidates, column, columns, "paper") for column in columns}
    assert all(wanted.values())
    for place, file in enumerate(sorted((tmp_path / "cache").rglob("*.*"))):
        if place % 3 == 0:
            file.unlink()
        elif place % 3 == 1:
            file.write_bytes(file.read_bytes()[:50])
    again = open_store(team)
    indexed(again)
    assert {c: again.ranks(candidates, c, columns, "paper") for c in columns} == wanted


def test_runs_over_other_rows_are_not_ranked_with_the_rest(
    own_team: Path, open_store: Open
) -> None:
    from compared_runs import reorder

    short = own_team / "20260101T000000Z-model1-all-00000001"
    reorder(short, "vqa_rad", list(range(20)))
    turned = own_team / "20260102T000000Z-model2-all-00000002"
    reorder(turned, "vqa_rad", list(reversed(range(56))))
    store = open_store(own_team)
    indexed(store)
    candidates = store.candidates()
    columns = columns_of(candidates, "paper")
    column = next(c for c in columns if (c.task, c.split) == ("vqa_rad", "open"))
    ranked = store.ranks(candidates, column, columns, "paper")
    assert short.name not in ranked
    assert turned.name in ranked  # the order of rows is no other rows
    assert len(ranked) == 5
