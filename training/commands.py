"""The commands that start a prepared run, for each way of having several machines."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from training.job import STOP, Job
from training.presets import Settings

_PORT = 29500


def commands_of(settings: Settings, folder: Path) -> dict[str, str]:
    """Name of a way to the command; none for one machine, where `harness train` starts all.

    Args:
        settings: Of the run.
        folder: Its prepared folder, which all machines see.
    """
    place, python = shlex.quote(str(folder)), shlex.quote(sys.executable)
    nodes, gpus = settings.nodes, settings.gpus
    if nodes == 1:
        return {}
    module = f"-m training.run {place}"
    own = "export " + " ".join(
        f'{name}="{value}"' for name, value in _own(settings, folder).items()
    )
    torchrun = f"{python} -m torch.distributed.run --nnodes {nodes} --nproc_per_node {gpus}"
    rendezvous = f"--rdzv_backend c10d --rdzv_id train --rdzv_endpoint FIRST_MACHINE:{_PORT}"
    found = {"torchrun, on every machine": f"{own}\n{torchrun} {rendezvous} {module}"}
    if settings.parallel != "none":
        way = "deepspeed, on the first machine (needs pdsh, and ssh to all)"
        found[way] = _with_hostfile(settings, folder)
    # One launcher a machine; the first of the job's machines is where they meet.
    found["Slurm (sbatch)"] = "\n".join((
        "#!/bin/bash",
        f"#SBATCH --nodes={nodes} --ntasks-per-node=1 --gpus-per-node={gpus}",
        # The step ends and a state is saved before the time is up.
        "#SBATCH --signal=B:TERM@300",
        own,
        f"stop={place}/{STOP}",
        "trap 'touch \"$stop\"' TERM",
        'first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
        f'srun {torchrun} --rdzv_backend c10d --rdzv_id "$SLURM_JOB_ID" '
        f'--rdzv_endpoint "$first:{_PORT}" {module} &',
        # The signal ends the first wait; the second one's status is the run's.
        "wait $! || wait $!",
    ))  # fmt: skip
    return found


def _own(settings: Settings, folder: Path) -> Mapping[str, str]:
    """Environment of the training processes, as text between double quotes."""
    found = {
        "PYTHONSAFEPATH": "1",
        "TORCH_EXTENSIONS_DIR": f"{folder}/torch_extensions",
        # Parts of DeepSpeed are compiled, by a ninja that lies beside Python.
        "PATH": f"{Path(sys.executable).parent}:$PATH",
    }
    if not settings.on_gpu:
        found.update(DS_ACCELERATOR="cpu", OMP_NUM_THREADS="1")
    return found


def _with_hostfile(settings: Settings, folder: Path) -> str:
    place, python = shlex.quote(str(folder)), shlex.quote(sys.executable)
    hosts = [f"machine{i + 1} slots={settings.gpus}" for i in range(settings.nodes)]
    # The launcher hands on only what a file of its own names.
    handed = [f"{name}={value}" for name, value in _own(settings, folder).items()]
    return "\n".join((
        # It puts the current folder before all packages.
        f"cd {place}",
        f"printf '%s\\n' {shlex.join(hosts)} > hostfile",
        f"printf '%s\\n' {shlex.join(handed)} > deepspeed_env",
        f"DS_ENV_FILE={place}/deepspeed_env {python} -m deepspeed.launcher.runner "
        f"--hostfile hostfile --module training.run {place}",
    ))  # fmt: skip


def printed_commands(job: Job) -> str:
    """All ways, for people."""
    found = commands_of(job.settings, job.folder)
    return "\n\n".join(f"# {way}\n{command}" for way, command in found.items())
