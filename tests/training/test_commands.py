"""The printed commands really start a prepared run, on two pretended machines."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from training_data import random_rows
from training_runs import job_of, losses, train_here

from training.commands import commands_of
from training.job import Job

# pdsh runs a line on every machine, with its number for %n; ssh tells where the first one is.
_PDSH = """#!/bin/bash
shift 4
number=0
for host in machine1 machine2; do
  line="$*"
  env -i HOME="$HOME" HF_HUB_OFFLINE=1 bash -c "${line//%n/$number}" & number=$((number + 1))
done
wait -n && wait -n
"""
_SSH = "#!/bin/bash\necho 127.0.0.1\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_rows(tmp_path_factory.mktemp("commands"), 12)


def prepared(folder: Path, base: Path, data: Path, **settings: Any) -> Job:
    wanted = {"device_batch": 2, "max_steps": 2, "nodes": 2, "parallel": "zero2", **settings}
    return job_of(folder, base, data, **wanted)


def of(job: Job, way: str) -> str:
    (found,) = (c for w, c in commands_of(job.settings, job.folder).items() if w.startswith(way))
    return found


def shell(script: str, home: Path) -> "subprocess.Popen[bytes]":
    # From a folder with a `training/` of its own, as any other session.
    (home / "training").mkdir(exist_ok=True)
    (home / "training" / "__init__.py").write_text("raise ImportError('the wrong one')\n")
    return subprocess.Popen(["bash", "-ec", script], cwd=home)


@pytest.mark.slow
def test_torchrun_on_two_machines(tiny_models: dict[str, Path], data: Path, tmp_path: Path) -> None:
    base = tiny_models["qwen2_vl"]
    job = prepared(tmp_path / "a run", base, data)
    script = of(job, "torchrun").replace("FIRST_MACHINE:29500", "127.0.0.1:29517")
    machines = [shell(script, tmp_path) for _ in range(2)]
    assert [machine.wait(timeout=300) for machine in machines] == [0, 0]
    alone = job_of(tmp_path / "alone", base, data, device_batch=2, max_steps=2)
    assert losses(job.folder) == pytest.approx(train_here(alone), rel=2e-5)
    assert json.loads((job.checkpoint / "training.json").read_text())["settings"]["nodes"] == 2


@pytest.mark.slow
def test_deepspeeds_launcher_with_a_hostfile(
    tiny_models: dict[str, Path],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name, text in (("pdsh", _PDSH), ("ssh", _SSH)):
        (bin_ / name).write_text(text)
        (bin_ / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
    job = prepared(tmp_path / "run", tiny_models["qwen2_vl"], data, parallel="zero3")
    script = of(job, "deepspeed").replace("--hostfile", "--master_port 29518 --hostfile")
    assert shell(script, tmp_path).wait(timeout=300) == 0
    assert len(losses(job.folder)) == 2
    assert (job.checkpoint / "model.safetensors").is_file()


def test_slurm_meets_on_the_first_machine_and_stops_in_time(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    job = prepared(tmp_path / "a run", tiny_models["qwen2_vl"], data, gpus=2, device_batch=1)
    script = of(job, "Slurm")
    # A shell with Slurm's commands pretended: what srun is asked, and what the signal does.
    pretended = """
        scontrol() { printf 'node7\\nnode8\\n'; }
        srun() { printf '%s\\n' "$@" > asked; while [ ! -e "$stop" ]; do sleep 0.1; done; }
        (sleep 1; kill -TERM $$) &
    """
    ran = subprocess.run(
        ["bash", "-c", pretended + script], cwd=tmp_path, timeout=60, check=False,
        env={**os.environ, "SLURM_JOB_ID": "12", "SLURM_JOB_NODELIST": "node[7-8]"},
    )  # fmt: skip
    assert ran.returncode == 0
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[asked.index("--rdzv_endpoint") + 1] == "node7:29500"
    assert asked[asked.index("--nnodes") + 1] == "2"
    assert asked[asked.index("--nproc_per_node") + 1] == "2"
    assert asked[-1] == str(job.folder)
    assert (job.folder / "stop").is_file()


def test_without_deepspeed_its_launcher_is_not_offered(
    tiny_models: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    job = prepared(tmp_path / "run", tiny_models["qwen2_vl"], data, parallel="none")
    assert [way.split(",")[0] for way in commands_of(job.settings, job.folder)] == [
        "torchrun", "Slurm (sbatch)",
    ]  # fmt: skip
