"""Which of the processes of a distributed run this one is, and whether as many were started as the run needs."""

import os
import re
from dataclasses import dataclass

from ganlab.errors import UserError


@dataclass(frozen=True)
class World:
    """The processes of a run, one a device, and the place of this one among them."""

    size: int = 1
    rank: int = 0
    local: int = 0  # rank on this node
    node: int = 0
    devices: int = 1  # processes on each node
    started: bool = False  # all of them, by torchrun, srun or hand; else this process starts the others of its node


def rank() -> int:
    """Return this process's global rank before any process group exists: 0 for the first only."""
    if "RANK" in os.environ:
        return _number("RANK")
    if "LOCAL_RANK" in os.environ:  # SLURM_PROCID is inherited by what a batch script starts without srun
        return _number("LOCAL_RANK") + _number("NODE_RANK")
    return _number("SLURM_PROCID") if _srun() else _number("NODE_RANK")


def started_from_outside() -> bool:
    """Whether torchrun, srun or a user started several processes, which must agree on a name for the run."""
    return _number("WORLD_SIZE", 1) > 1 or _srun()


def find_world(devices: int, nodes: int) -> World:
    """Return the place of this process among ``devices`` processes on each of ``nodes`` nodes.

    ``UserError`` if another number of processes was started.
    """
    needed = devices * nodes
    if "RANK" in os.environ or "LOCAL_RANK" in os.environ:
        size, local = _number("WORLD_SIZE", needed), _number("LOCAL_RANK")
        node = _number("NODE_RANK", _number("GROUP_RANK"))
        world = World(size, _number("RANK", node * devices + local), local, node, devices, started=size > 1)
    elif _srun():
        size, number, local, node = (_number(f"SLURM_{name}") for name in ("NTASKS", "PROCID", "LOCALID", "NODEID"))
        world = World(size, number, local, node, devices, started=True)
    else:
        node = _number("NODE_RANK")
        world = World(needed, node * devices, 0, node, devices)
        if nodes > 1 and not {"NODE_RANK", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
            raise UserError(
                f"trainer.num_nodes={nodes}: start the processes with torchrun or srun, or the command once on each "
                "node with NODE_RANK, MASTER_ADDR and MASTER_PORT in its environment"
            )
    placed = world.rank == world.node * devices + world.local < needed and world.local < devices
    if world.size != needed or not placed:
        raise UserError(
            f"process {world.rank} of {world.size} was started, number {world.local} on node {world.node}, but "
            f"trainer.devices={devices} and trainer.num_nodes={nodes} need {needed}, {devices} on each node: start as "
            f"many, or type as many devices"
        )
    return world


def meeting_point() -> tuple[str, int] | None:
    """Return where SLURM's tasks meet: the first node, and a port by the job; None outside srun."""
    if not _srun() or "RANK" in os.environ or "LOCAL_RANK" in os.environ:
        return None
    nodes = os.environ.get("SLURM_JOB_NODELIST") or os.environ.get("SLURM_NODELIST") or "127.0.0.1"
    first = re.sub(r"\[(\d+)[^\]]*\]", r"\1", nodes).replace(",", " ").split()[0]  # node[03-05,7] is node03 first
    address, port = os.environ.get("MASTER_ADDR", first), 15000 + int(os.environ.get("SLURM_JOB_ID", "0")[-4:])
    return address, _number("MASTER_PORT", port)


def _srun() -> bool:
    """Whether this is one of several tasks of srun; shells that SLURM gives out are none."""
    interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return "SLURM_PROCID" in os.environ and not interactive and _number("SLURM_NTASKS", 1) > 1


def _number(variable: str, default: int = 0) -> int:
    text = os.environ.get(variable, "")
    if text and not text.isdecimal():
        raise UserError(f"the environment has {variable}={text}, which is no number: unset it")
    return int(text or default)
