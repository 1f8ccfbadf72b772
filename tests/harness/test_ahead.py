"""Work done ahead of the engine: bounded, errors in their place, threads that end."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_helpers import ask, start, texts

from harness.engines import _ahead
from harness.engines._ahead import Ahead
from harness.requests import Request

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
BATCH = 3
LONG = 60.0
"""Seconds after which a test that waits for an event has failed."""


def preparing() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prepare"]


def until(true: Any) -> bool:
    deadline = time.monotonic() + LONG
    while not true() and time.monotonic() < deadline:
        time.sleep(0.005)
    return bool(true())


def test_items_come_in_order_and_an_error_after_them() -> None:
    def source() -> Iterator[int]:
        yield from range(5)
        raise ValueError("gone")

    ahead = Ahead(lambda items: (item * 2 for item in items), source(), 2, "prepare")
    assert [ahead.take() for _ in range(5)] == [0, 2, 4, 6, 8]
    with pytest.raises(ValueError, match="gone"):
        ahead.take()
    assert ahead.ended
    assert ahead.take() is None
    ahead.close()


def test_nothing_is_made_further_ahead_than_asked() -> None:
    made: list[int] = []

    def work(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            made.append(item)
            yield item

    ahead = Ahead(work, range(100), 2, "prepare")
    assert until(lambda: len(made) == 3)  # two lie ready, one is in the thread's hands
    assert ahead.take(block=False) == 0
    assert until(lambda: len(made) == 4)
    time.sleep(0.05)
    assert len(made) == 4
    ahead.close()
    ahead.close()
    assert not preparing()
    assert ahead.take() is None


def test_taking_without_waiting() -> None:
    go = threading.Event()
    ahead = Ahead(lambda items: (go.wait(LONG) and item for item in items), [7], 2, "prepare")
    assert ahead.take(block=False) is None
    assert not ahead.ended
    go.set()
    assert ahead.take() == 7
    assert list(ahead) == []
    ahead.close()


def test_closing_waits_for_work_but_not_for_a_source_that_gives_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a Ray actor the source is a queue: an engine that dies there must not wait for it."""
    monkeypatch.setattr(_ahead, "_PATIENCE", 0.2)
    waiting: queue.Queue[int | None] = queue.Queue()
    done: list[int] = []

    def work(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            time.sleep(0.5)  # longer than the patience
            done.append(item)
            yield item

    ahead = Ahead(work, iter(waiting.get, None), 2, "prepare")
    waiting.put(1)
    assert until(waiting.empty)
    ahead.close()
    assert done == [1]
    ahead = Ahead(work, iter(waiting.get, None), 2, "prepare")
    assert until(lambda: preparing())
    began = time.monotonic()
    ahead.close()
    assert time.monotonic() - began < LONG / 2
    waiting.put(2)
    assert until(lambda: not preparing())
    assert done == [1]


@pytest.fixture(scope="module")
def engine(tiny_models: dict[str, Path]) -> Iterator[Any]:
    engine = start(tiny_models["qwen2_vl"], batch_size=BATCH)
    yield engine
    engine.close()


class Watched:
    """Stands before the processor and the model; counts calls, and lets a test look inside."""

    def __init__(self, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._generate = engine._model.generate
        self._process = engine._preparer._processor
        self.processed = 0
        self.generated = 0
        self.threads: set[str] = set()
        self.inside: Any = lambda: None
        monkeypatch.setattr(engine._model, "generate", self.generate)
        monkeypatch.setattr(engine._preparer, "_processor", self.process)

    def process(self, **kwargs: Any) -> Any:
        self.threads.add(threading.current_thread().name)
        inputs = self._process(**kwargs)
        self.processed += 1
        return inputs

    def generate(self, **kwargs: Any) -> Any:
        self.generated += 1
        self.inside()
        return self._generate(**kwargs)


def test_the_next_batch_is_prepared_while_one_is_generated(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By events: no batch is let go before the processor has made the one after it.

    Ten batches are more than a window of eight: the next window's first batch too is made while
    the last of this one is in the model.
    """
    asked = [ask(i) for i in range(10 * BATCH)]
    wanted = texts(engine, asked)
    watched = Watched(engine, monkeypatch)
    late: list[int] = []

    def inside() -> None:
        number = watched.generated
        if not until(lambda: watched.processed > number or number == 10):
            late.append(number)
        assert watched.processed <= number + 2, "at most two batches ahead"

    watched.inside = inside
    assert texts(engine, asked) == wanted
    assert late == []
    assert (watched.generated, watched.processed) == (10, 10)
    assert watched.threads == {"prepare"}
    assert not preparing()


def test_an_error_in_the_stream_reaches_the_caller(engine: Any) -> None:
    def broken() -> Iterator[Request]:
        yield from (ask(i) for i in range(9 * BATCH))
        raise ValueError("the data set is gone")

    stream = engine.generate(broken())
    for _ in range(8 * BATCH):  # the window before it is answered
        assert next(stream).text is not None
    with pytest.raises(ValueError, match="gone"):
        next(stream)
    assert not preparing()
    assert None not in texts(engine, [ask(1)])


def test_a_generator_that_is_left_ends_its_thread(engine: Any) -> None:
    pulled: list[int] = []

    def endless() -> Iterator[Request]:
        number = 0
        while True:
            pulled.append(number)
            yield ask(number)
            number += 1

    for leave in ("close", "del"):
        pulled.clear()
        stream = engine.generate(endless())
        next(stream)
        assert preparing()
        assert len(pulled) <= 2 * 8 * BATCH
        if leave == "close":
            stream.close()
        del stream
        assert not preparing()
    assert None not in texts(engine, [ask(1)])


def test_an_interrupt_ends_the_thread(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(engine, monkeypatch)

    def inside() -> None:
        if watched.generated == 2:
            raise KeyboardInterrupt

    watched.inside = inside
    stream = engine.generate(ask(i) for i in range(50))
    assert len([next(stream) for _ in range(BATCH)]) == BATCH
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert not preparing()


def test_closing_the_engine_ends_the_thread(tiny_models: dict[str, Path]) -> None:
    """Even while somebody still holds the generator, as a traceback does."""
    engine = start(tiny_models["qwen2_vl"], batch_size=BATCH)
    stream = engine.generate(ask(i) for i in range(50))
    next(stream)
    assert preparing()
    engine.close()
    assert not preparing()
    stream.close()
