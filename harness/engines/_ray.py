"""Several engines at once: on one machine, or on a Ray cluster.

Every replica is a Ray actor that holds an engine of its own. The driver hands out small batches,
so that each engine has a little more than it can compute, and takes answers as they come. A
replica that dies is replaced and costs its rows in flight, which are asked again one by one; a row
that a replica dies on when it has nothing else in hand fails.

Actors rather than Ray Data's `map_batches`: a batch there is a barrier at which an engine drains,
and the requests come from a journal that lives with the driver (docs/engines.md).
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import queue
import re
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from harness import images
from harness.engines._base import Engine, ModelInfo, Plan
from harness.errors import UserError
from harness.images import Picture
from harness.progress import note
from harness.requests import Request, Response

_BATCH = 8
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "PPM")
"""Of the pictures of any task, another harness's too; the driver has held each to its task's."""
_MOST_STARTS = 3
"""How often in a row a replica may die before its first sign of life."""
_KNOCK_SECONDS = 30.0
"""For how long an address is tried."""
_NOTE_AFTER = 60.0
"""Seconds without any answer or sign of life after which a person is told what is waited for."""
_NOTE_EVERY = 600.0
_GIVE_UP_AFTER = 300.0
"""Seconds for a lost machine to come back, where no replica is alive and none can be placed."""


@dataclass(frozen=True)
class ReplicatedPlan:
    """An engine to be started several times; the answers are those of one."""

    inner: Plan
    replicas: int
    address: str | None
    """Of a Ray cluster; None starts Ray on this machine."""

    @property
    def name(self) -> str:
        """The engine's own name: how often it runs moves no answer."""
        return self.inner.name

    @property
    def model(self) -> ModelInfo:
        """The engine's own model."""
        return self.inner.model

    @property
    def identity(self) -> dict[str, Any]:
        """The engine's own: the number of replicas is no part of it."""
        return self.inner.identity

    @property
    def why(self) -> str:
        """The engine's own reason."""
        return f"{self.inner.why}; {self.replicas} replicas"

    @property
    def appetite(self) -> int:
        """Requests all replicas want in hand."""
        return self.replicas * self.inner.appetite

    def start(self) -> ReplicatedEngine:
        """Start Ray and the replicas."""
        return ReplicatedEngine(self)


class _Shipped(NamedTuple):
    """A request on its way: pictures as their files' bytes, which are smaller than pixels."""

    request: Request
    files: tuple[bytes, ...]


def _ship(request: Request) -> _Shipped:
    if all(picture.data is not None for picture in request.images):
        files = tuple(picture.data or b"" for picture in request.images)
        bare = tuple(p._replace(image=None, data=None) for p in request.images)  # type: ignore[arg-type]
        return _Shipped(replace(request, images=bare, owner=None), files)
    return _Shipped(replace(request, owner=None), ())


def _unpack(shipped: _Shipped) -> Request:
    if not shipped.files:
        return shipped.request
    pictures = tuple(
        Picture(images.decode(data, _FORMATS, shipped.request.row_id), data, picture.content)
        for picture, data in zip(shipped.request.images, shipped.files, strict=True)
    )
    return replace(shipped.request, images=pictures)


class Replica:
    """Lives in a Ray actor and holds one engine."""

    def __init__(self, plan: Plan) -> None:
        self._engine: Engine = plan.start()
        self._lock = threading.Lock()
        self._ids = itertools.count()
        self._waiting: dict[int, Future[Response]] = {}
        self._feed: queue.Queue[Request | None] = queue.Queue()
        if self._engine.streams:
            threading.Thread(target=self._run, daemon=True).start()

    def describe(self) -> dict[str, Any]:
        """What the engine says of itself."""
        return self._engine.describe()

    def answer(self, batch: list[_Shipped]) -> list[Response]:
        """Answer a batch; several batches may be in hand at once."""
        requests = [_unpack(shipped) for shipped in batch]
        if not self._engine.streams:
            with self._lock:
                return [_light(response) for response in self._engine.generate(requests)]
        futures = []
        for request in requests:
            number = next(self._ids)
            future: Future[Response] = Future()
            self._waiting[number] = future
            futures.append(future)
            self._feed.put(replace(request, owner=number))
        return [_light(future.result()) for future in futures]

    def _run(self) -> None:
        """Step the engine for as long as the actor lives; batches do not drain it."""
        try:
            for response in self._engine.generate(iter(self._feed.get, None)):
                self._waiting.pop(response.request.owner).set_result(response)
        # Nobody is above this thread: an engine that cannot go on takes its actor with it, and
        # Ray starts another.
        except BaseException:  # noqa: BLE001
            os._exit(1)


def _light(response: Response) -> Response:
    """A response without its pictures, for the way back."""
    return replace(response, request=replace(response.request, images=(), owner=None))


class _Batch(NamedTuple):
    requests: tuple[Request, ...]
    deaths: int = 0
    """0, or 1 after a replica died with it in hand, in company: then it is one row, asked alone."""


class _Place:
    """A replica as the driver sees it."""

    def __init__(self, actor: Any, starts: int = 1) -> None:
        self.actor = actor
        self.starts = starts
        """This one, and those before it that died without a sign of life."""
        self.flying = 0
        self.alone = False
        """It has a suspect in hand, and must have nothing else."""
        self.probe: Any = actor.describe.remote()
        """Pending first sign of life; nothing is sent before it comes."""

    def takes(self, batch: _Batch, most: int) -> bool:
        if self.alone or self.probe is not None:
            return False
        return self.flying == 0 if batch.deaths else self.flying < most


class ReplicatedEngine:
    """Hands requests to replicas.

    Raises:
        UserError: Ray is missing, or the cluster cannot be reached or has too few GPUs.
    """

    streams = True

    def __init__(self, plan: ReplicatedPlan) -> None:
        self._plan = plan
        ray = _connect(plan)
        self._needs = _needs(plan, ray)
        gpus = self._needs.get("GPU", 0)
        # Enough batches that an engine has its fill, and two more on the way while it works.
        self._in_hand = max(2, -(-plan.inner.appetite // _BATCH)) + 2
        # Ray's own restarts would go on for ever where an engine cannot be started.
        self._actor = ray.remote(
            num_cpus=self._needs.get("CPU", 0),
            num_gpus=gpus,
            resources={k: v for k, v in self._needs.items() if k not in ("CPU", "GPU")},
            max_restarts=0,
            max_concurrency=self._in_hand,
        )(Replica)
        self._ray = ray
        self._places = [_Place(self._actor.remote(plan.inner)) for _ in range(plan.replicas)]
        self._spare: _Place | None = None
        """Gets nothing new while suspects wait, so that it is soon free for them."""
        self._silent_since = self._noted = time.monotonic()
        try:
            described = self._first_sign()
        except BaseException:
            self.close()
            raise
        each = described.get("gpus", 0)
        self._described = {**described, "replicas": plan.replicas, "gpus": each * plan.replicas}

    def _first_sign(self) -> dict[str, Any]:
        described = None
        while described is None:
            described = self._look_after(self._next([place.probe for place in self._places]))
        return described

    def describe(self) -> dict[str, Any]:
        """What the first replica says of its engine."""
        return self._described

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer in the order in which replicas answer."""
        fresh = _batches(requests)
        suspects: deque[_Batch] = deque()
        flying: dict[Any, tuple[_Place, _Batch]] = {}
        waiting = next(fresh, None)
        while waiting or suspects or flying:
            while suspects and self._send(suspects[0], flying):
                suspects.popleft()
            self._spare = self._spared() if suspects else None
            while waiting and self._send(waiting, flying):
                waiting = next(fresh, None)
            probes = [place.probe for place in self._places if place.probe is not None]
            done = self._next([*flying, *probes])
            if done not in flying:
                self._look_after(done)
                continue
            place, batch = flying.pop(done)
            place.flying -= 1
            place.alone = False
            try:
                answers = self._get(done)
            except self._ray.exceptions.RayActorError as error:
                self._replace(place)
                if batch.deaths:
                    reason = f"the engine dies on it: {_line(str(error))}"
                    yield Response(batch.requests[0], None, error=reason)
                else:
                    suspects += [_Batch((row,), 1) for row in batch.requests]
                continue
            by_key = {request.key: request for request in batch.requests}
            for answer in answers:
                yield replace(answer, request=by_key[answer.request.key])

    def _next(self, pending: list[Any]) -> Any:
        """The first of some results to come; meanwhile a person is told what is waited for.

        Raises:
            UserError: No replica is alive, and no machine could hold one.
        """
        while True:
            done, _ = self._ray.wait(pending, num_returns=1, timeout=min(5.0, _NOTE_AFTER))
            now = time.monotonic()
            absent = sum(place.probe is not None for place in self._places)
            if not absent:
                self._silent_since = self._noted = now
            elif now - self._silent_since > _NOTE_AFTER:
                self._mind(absent, now)
            if done:
                return done[0]

    def _mind(self, absent: int, now: float) -> None:
        """Some replicas have not reported for long: say so, or give up."""
        waited, could = now - self._silent_since, _could_hold(self._needs, self._ray.nodes())
        need = " and ".join(f"{amount:g} {name}" for name, amount in self._needs.items())
        if not could and absent == len(self._places) and waited > _GIVE_UP_AFTER:
            raise UserError(
                f"no replica is alive, and for {waited:.0f} s no machine of the Ray cluster could "
                f"hold one: each needs {need}",
                "The answers so far are kept, and the same command continues; "
                "`ray status` shows what the cluster has.",
            )
        if self._noted > self._silent_since and now - self._noted < _NOTE_EVERY:
            return
        self._noted = now
        free = self._ray.available_resources()
        have = ", ".join(f"{free.get(name, 0):g} {name}" for name in self._needs)
        why = (
            f"free in the cluster: {have}; an engine that is being loaded looks the same"
            if could
            else "no machine of the cluster has that"
        )
        note(
            f"{absent} of {len(self._places)} replicas have not reported for {waited:.0f} s: each "
            f"waits for {need} ({why})"
        )

    def _send(self, batch: _Batch, flying: dict[Any, tuple[_Place, _Batch]]) -> bool:
        """Hand a batch to the replica with least to do; False if none takes it now."""
        able = [
            place
            for place in self._places
            if place.takes(batch, self._in_hand) and (batch.deaths or place is not self._spare)
        ]
        if not able:
            return False
        place = min(able, key=lambda place: place.flying)
        shipped = [_ship(request) for request in batch.requests]
        flying[place.actor.answer.remote(shipped)] = (place, batch)
        place.flying += 1
        place.alone = batch.deaths > 0
        return True

    def _spared(self) -> _Place | None:
        """The replica that suspects wait for: the one it was, else the one that is free soonest."""
        alive = [place for place in self._places if place.probe is None]
        if self._spare in alive:
            return self._spare
        return min(alive, key=lambda place: (not place.alone, place.flying), default=None)

    def _look_after(self, probe: Any) -> dict[str, Any] | None:
        """A replica has given its first sign of life, or died before it could: start another.

        Returns:
            What it says of its engine; None if it died.

        Raises:
            UserError: It dies each time it is started.
        """
        place = next(place for place in self._places if place.probe is probe)
        try:
            described: dict[str, Any] = self._get(probe)
        except self._ray.exceptions.RayActorError as error:
            if place.starts == _MOST_STARTS:
                raise UserError(
                    f"a replica died {_MOST_STARTS} times while it was started: {_line(str(error))}"
                ) from error
            self._replace(place)
            return None
        place.probe, place.starts = None, 0
        return described

    def _replace(self, place: _Place) -> None:
        """Start another replica for one that died; once, whatever it had in hand."""
        if place in self._places:
            self._ray.kill(place.actor)  # it may live, out of reach
            actor = self._actor.remote(self._plan.inner)
            self._places[self._places.index(place)] = _Place(actor, place.starts + 1)

    def _get(self, reference: Any) -> Any:
        """A replica's result; what its engine raised is raised here.

        Raises:
            UserError: The replica's engine cannot be started, or cannot go on.
        """
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, UserError):
                raise error.cause from error
            raise UserError(f"a replica failed: {_line(str(error.cause or error))}") from error
        except self._ray.exceptions.ActorDiedError as error:
            if "creation task" in str(error):
                raise UserError(f"a replica cannot be started: {_raised(str(error))}") from error
            raise

    def close(self) -> None:
        """End the replicas, and Ray if it was started here."""
        for place in self._places:
            self._ray.kill(place.actor)
        self._ray.shutdown()


def _line(text: str) -> str:
    """The beginning of Ray's many lines, as one."""
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:300]} ..."


def _raised(trace: str) -> str:
    """What was raised, from the end of a traceback."""
    lines = trace.strip().splitlines()
    starts = [i for i, line in enumerate(lines) if re.match(r"[\w.]+(Error|Exception)\b", line)]
    return _line(" ".join(lines[starts[-1] if starts else -1 :]))


def _batches(requests: Iterable[Request]) -> Iterator[_Batch]:
    stream = iter(requests)
    while batch := tuple(itertools.islice(stream, _BATCH)):
        yield _Batch(batch)


def _connect(plan: ReplicatedPlan) -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "--replicas and --ray need Ray, which is not installed",
            'Install it: pip install "domain-harness[ray]"',
        ) from error
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if plan.address is None:
        # Ray's own helpers want a logical CPU too; with none left they wait for ever.
        options["num_cpus"] = max(plan.replicas + 1, os.cpu_count() or 1)
        options["include_dashboard"] = False
    else:
        options["address"] = plan.address
        _wait_for(plan.address)
    try:
        # Ray puts the current folder first on its workers' path: a user's own `tasks` there must
        # not stand before ours.
        with contextlib.chdir(Path(__file__).parents[2]), _own_sigterm():
            ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(
            f"cannot reach Ray at {plan.address or 'this machine'}: {error}",
            "Start a cluster with `ray start --head`, or leave --ray out.",
        ) from error
    return ray


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep what SIGTERM does: Ray's own handlers print a stack, and abort or exit with 15."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _wait_for(address: str) -> None:
    """Make sure that something listens: Ray itself knocks at a wrong address for many minutes.

    Args:
        address: HOST:PORT; anything else (`auto`) is left to Ray.

    Raises:
        UserError: Nothing does, not even after a while: a cluster may still be starting.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    end = time.monotonic() + _KNOCK_SECONDS
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except (OSError, OverflowError) as error:
            if time.monotonic() >= end:
                raise UserError(
                    f"cannot reach Ray at {address}: {error}",
                    "Start a cluster with `ray start --head`, or leave --ray out.",
                ) from error
        time.sleep(1)


def _needs(plan: ReplicatedPlan, ray: Any) -> dict[str, float]:
    """What a replica takes of a machine: a CPU, or as many GPUs as tensor parallelism asks for.

    Raises:
        UserError: The cluster has fewer GPUs than all replicas need.
    """
    have = int(ray.cluster_resources().get("GPU", 0))
    if not have:
        return {"CPU": 1}
    each: int = getattr(getattr(plan.inner, "settings", None), "tensor_parallel_size", 1)
    if each * plan.replicas > have:
        ray.shutdown()
        raise UserError(
            f"{plan.replicas} replicas of {each} GPU(s) each: the cluster has {have}",
            f"Use --replicas {have // each}, or fewer GPUs a replica.",
        )
    return {"GPU": each}


def _could_hold(needs: dict[str, float], nodes: list[dict[str, Any]]) -> bool:
    """Whether a living machine has what a replica needs, be it in use or not."""
    return any(
        node["Alive"] and all(node["Resources"].get(k, 0) >= v for k, v in needs.items())
        for node in nodes
    )
