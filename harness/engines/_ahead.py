"""Work done ahead, in a thread of its own, while the engine is busy."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

_Source = TypeVar("_Source")
_Item = TypeVar("_Item")
_PATIENCE = 5.0
"""Seconds that closing waits for a source to give its next item."""


class _Raised(NamedTuple):
    """What ended the thread's work early."""

    error: BaseException


class _End:
    """Nothing more will come."""


class Ahead(Generic[_Item]):
    """Runs an iterator in a thread, at most a few items ahead of whoever takes them.

    One thread: for preparing pictures a second helps only with large ones, more are slower.

    Args:
        work: Makes items of the source's, lazily; both are run in the thread.
        source: What the work is done on.
        most: How many items may lie ready.
        name: Of the thread.
    """

    def __init__(
        self,
        work: Callable[[Iterator[_Source]], Iterator[_Item]],
        source: Iterable[_Source],
        most: int,
        name: str,
    ) -> None:
        self._ready: queue.Queue[_Item | _Raised | _End] = queue.Queue(maxsize=most)
        self._stop = threading.Event()
        self._pulling_since: float | None = None
        """When the source was asked for an item that it has not given yet."""
        self.ended = False
        """Everything has been taken."""
        self._thread = threading.Thread(
            target=self._run, args=(work, source), name=name, daemon=True
        )
        self._thread.start()

    def _run(
        self, work: Callable[[Iterator[_Source]], Iterator[_Item]], source: Iterable[_Source]
    ) -> None:
        try:
            for item in work(self._until_stopped(source)):
                if not self._put(item):
                    return
        # Whatever the source or the work raises belongs to the one who takes.
        except BaseException as error:  # noqa: BLE001
            self._put(_Raised(error))
        self._put(_End())

    def _until_stopped(self, source: Iterable[_Source]) -> Iterator[_Source]:
        items = iter(source)
        while not self._stop.is_set():
            self._pulling_since = time.monotonic()
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                self._pulling_since = None
            if self._stop.is_set():
                return
            yield item

    def _put(self, item: _Item | _Raised | _End) -> bool:
        while not self._stop.is_set():
            try:
                self._ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def take(self, *, block: bool = True) -> _Item | None:
        """The next item; None if none is ready (without `block`) or none will come.

        Raises:
            BaseException: What the source or the work raised, after all that came before it.
        """
        if self.ended or self._stop.is_set():
            return None
        try:
            item = self._ready.get(block=block)
        except queue.Empty:
            return None
        if isinstance(item, _End):
            self.ended = True
            return None
        if isinstance(item, _Raised):
            self.ended = True
            raise item.error
        return item

    def __iter__(self) -> Iterator[_Item]:
        """Everything, waiting for each item."""
        while (item := self.take()) is not None:
            yield item

    def close(self) -> None:
        """End the thread, once it is done with the item it has in hand; may be called twice."""
        self._stop.set()
        # A generator may be thrown away in the very thread that feeds it.
        if self._thread is threading.current_thread():
            return
        while self._thread.is_alive():
            since = self._pulling_since
            # A queue that others fill may never give another item: an engine that dies in its
            # actor would wait for itself. The thread ends with that item, without working on it.
            if since is not None and time.monotonic() - since > _PATIENCE:
                return
            self._thread.join(timeout=0.1)
