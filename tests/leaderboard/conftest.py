"""One folder of runs for all tests of the leaderboard; tests that change it take a copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from leaderboard_runs import HOSTILE, Model, as_model, broken_folders, hostile_answer, team_folder

from leaderboard.store import Store


@pytest.fixture(scope="session")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of four models, one with a hostile name and answers, and folders that are no run."""
    runs = team_folder(tmp_path_factory.mktemp("team"))
    base = sorted(runs.glob("2026010*"))[0]
    as_model(base, Model(HOSTILE, 0.5), 5, hostile_answer)
    broken_folders(runs, base)
    return runs


@pytest.fixture
def own_team(team: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return shutil.copytree(team, tmp_path / "runs")


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[[Path], Store]]:
    """Stores with a cache of their own; closed at the end."""
    opened: list[Store] = []

    def open_one(runs: Path) -> Store:
        opened.append(Store(runs, tmp_path / "cache"))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(team: Path, open_store: Callable[[Path], Store]) -> Store:
    """A store over the team's runs."""
    return open_store(team)
