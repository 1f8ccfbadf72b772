"""Starting the training processes of one machine, and watching over them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UserError
from harness.progress import note, printable
from training.job import LOG, PROBLEM, STOP, Job
from training.run import FAILED, STOPPED, problem_of
from training.states import newest
from training.watching import WATCHED, Watcher

_LINES = 12
_PATIENCE = 3.0
"""Seconds that the others have to say the same, once a process has failed."""


class Failed(UserError):
    """Training began, and ended without a checkpoint."""


def run_processes(job: Job, name: str) -> None:
    """Train in child processes, one a GPU, and wait for their end.

    Ctrl-C and SIGTERM let them finish the step and save a state; a second one does not.

    Raises:
        Failed: A process failed.
        KeyboardInterrupt: It was asked to stop, and has.
    """
    for old in (STOP, PROBLEM):
        (job.folder / old).unlink(missing_ok=True)
    with (job.folder / LOG).open("ab") as log:
        processes = [
            subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", "training.run", str(job.folder)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for this process, which tells the others to save first.
                start_new_session=True,
            )
            for environment in _environments(job)
        ]
        try:
            with Watcher(job.folder, job.steps, name) as watcher, _interrupts() as asked:
                codes = _wait(processes, watcher, job, asked)
        finally:
            _kill(processes)
    if asked and any(codes):
        (job.folder / STOP).unlink(missing_ok=True)
        _tell_stopped(job)
        signal.raise_signal(asked[0])  # the handlers of before are back: this ends the command
    if any(codes):
        raise _failure(job, codes)


def merge_in_process(job: Job) -> None:
    """Merge adapters in a process of its own, so that its memory is given back.

    Raises:
        Failed: It failed.
    """
    code = "import sys; from training.finish import merge; from training.job import Job; "
    code += "from pathlib import Path; merge(Job.load(Path(sys.argv[1])))"
    with (job.folder / LOG).open("ab") as log:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-P", "-c", code, str(job.folder)],
            env=_shared(job), stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
        )  # fmt: skip
    if done.returncode:
        raise _failure(job, [done.returncode])


def _shared(job: Job) -> dict[str, str]:
    given = {**os.environ, "PYTHONSAFEPATH": "1", "TOKENIZERS_PARALLELISM": "false", WATCHED: "1"}
    given["TRAINING_PARENT"] = str(os.getpid())
    # DeepSpeed compiles parts of itself; a killed compiler leaves a lock that others wait on.
    given.setdefault("TORCH_EXTENSIONS_DIR", str(job.folder / "torch_extensions"))
    given["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{given.get('PATH', '')}"
    if not job.settings.on_gpu:
        given.update(DS_ACCELERATOR="cpu", OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
    return given


def _environments(job: Job) -> Iterator[dict[str, str]]:
    """Of each process. A lone one without DeepSpeed needs to know nothing."""
    given = _shared(job)
    ranks = job.settings.ranks
    if ranks == 1 and job.settings.parallel == "none":
        yield given
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for rank in range(ranks):
        yield {
            **given,
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(ranks),
            "LOCAL_WORLD_SIZE": str(ranks), "RANK": str(rank), "LOCAL_RANK": str(rank),
        }  # fmt: skip


def _wait(
    processes: list[subprocess.Popen[bytes]], watcher: Watcher, job: Job, asked: list[int]
) -> list[int]:
    """Exit codes of all; one that fails takes the others with it."""
    failed_at: float | None = None
    told = False
    while any(process.poll() is None for process in processes):
        if asked and not told:
            told = True
            (job.folder / STOP).touch()
            note("stopping after this step, once a state is saved; again to stop at once")
        if len(asked) > 1:
            break
        if any(process.poll() not in (None, 0, STOPPED) for process in processes):
            failed_at = failed_at or time.monotonic()
            if time.monotonic() - failed_at > _PATIENCE:
                break
        watcher.look()
        time.sleep(0.1)
    _kill(processes)
    return [process.wait() for process in processes]


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Signals that arrive meanwhile, in a list; the old handlers come back at the end."""
    arrived: list[int] = []
    names = (signal.SIGINT, signal.SIGTERM)
    try:
        before = {n: signal.signal(n, lambda number, _: arrived.append(number)) for n in names}
    except ValueError:  # not the main thread, which alone may set handlers
        yield arrived
        return
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell_stopped(job: Job) -> None:
    state = newest(job.states)
    if state is None:
        note("stopped before a state was saved; the same command starts anew")
    else:
        note(
            f"stopped; the state of step {state.step:,} of {job.steps:,} is saved. The same "
            "command continues from there."
        )


def _kill(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            try:
                os.killpg(process.pid, signal.SIGKILL)  # with the workers that read data
            except ProcessLookupError:
                continue
    for process in processes:
        process.wait()


def _failure(job: Job, codes: list[int]) -> Failed:
    log = job.folder / LOG
    told = problem_of(job.folder)
    if told is not None and FAILED in codes:
        return Failed(told.message, told.hint)
    code = next(code for code in codes if code)
    state = newest(job.states)
    go_on = f"the same command goes on from step {state.step:,}" if state else "nothing was saved"
    if code == -signal.SIGKILL:
        why = "a training process was killed, most often for lack of memory"
    else:
        why = f"a training process ended with {code}"
    return Failed(f"{why}; {go_on}", f"The end of {log}:\n{_tail(log)}")


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 8_000))
        text = file.read().decode(errors="replace")
    lines = [line for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return "\n".join(f"    {printable(line)[:300]}" for line in lines[-_LINES:])
