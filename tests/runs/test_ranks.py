import os
from typing import Any

import pytest

from ganlab.errors import UserError
from ganlab.runs.ranks import World, find_world, meeting_point, rank

VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "NODE_RANK", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")
BATCH = {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_JOB_ID": "1234567"}


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set the environment to these variables, without others that name processes."""

    def set_to(**values: object) -> None:
        for name in [*VARIABLES, *(name for name in os.environ if name.startswith("SLURM_"))]:
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, str(value))

    return set_to


def srun(number: int, tasks: int, local: int, node: int) -> dict[str, object]:
    return {"SLURM_NTASKS": tasks, "SLURM_PROCID": number, "SLURM_LOCALID": local, "SLURM_NODEID": node}


def torchrun(number: int, size: int, local: int, group: int) -> dict[str, object]:
    return {"RANK": number, "WORLD_SIZE": size, "LOCAL_RANK": local, "GROUP_RANK": group}


@pytest.mark.parametrize(
    ("given", "devices", "nodes", "world"),
    [
        ({}, 1, 1, World()),
        ({}, 3, 1, World(3, devices=3)),
        (BATCH, 2, 1, World(2, devices=2)),  # a batch script without srun
        (BATCH | {"SLURM_NTASKS": "1"}, 2, 1, World(2, devices=2)),
        (BATCH | torchrun(1, 2, 1, 0), 2, 1, World(2, 1, 1, 0, 2, True)),  # what inherits from it
        (srun(5, 6, 2, 1), 3, 2, World(6, 5, 2, 1, 3, True)),
        (srun(0, 2, 0, 0) | {"SLURM_JOB_NAME": "interactive"}, 1, 1, World()),
        (torchrun(3, 4, 1, 1), 2, 2, World(4, 3, 1, 1, 2, True)),
        (torchrun(0, 1, 0, 0), 1, 1, World()),
        ({"LOCAL_RANK": 1, "NODE_RANK": 1}, 2, 2, World(4, 3, 1, 1, 2, True)),
        ({"NODE_RANK": 1, "MASTER_ADDR": "a", "MASTER_PORT": 1}, 2, 2, World(4, 2, 0, 1, 2)),
    ],
)
def test_each_way_of_starting_processes_gives_a_place(
    variables: Any, given: dict[str, object], devices: int, nodes: int, world: World
) -> None:
    variables(**given)
    assert find_world(devices, nodes) == world
    assert (rank() == 0) == (world.rank == 0)


@pytest.mark.parametrize(
    ("given", "devices", "nodes", "message"),
    [
        (srun(1, 2, 1, 0), 1, 1, "process 1 of 2 was started.* need 1, 1 on each node"),
        (srun(1, 2, 0, 1), 2, 2, "process 1 of 2 was started, number 0 on node 1.* need 4, 2 on each node"),
        (srun(1, 4, 1, 0), 1, 4, "need 4, 1 on each node"),
        (torchrun(1, 2, 1, 0), 1, 1, "need 1"),
        (torchrun(0, 2, 0, 0), 4, 1, "need 4"),
        ({"NODE_RANK": 1}, 1, 1, "number 0 on node 1"),
        ({}, 1, 2, "trainer.num_nodes=2: start the processes with torchrun or srun"),
        (BATCH, 2, 2, "trainer.num_nodes=2: start the processes with torchrun or srun"),
        ({"RANK": "one"}, 1, 1, "RANK=one, which is no number"),
    ],
)
def test_another_number_of_processes_is_refused(
    variables: Any, given: dict[str, object], devices: int, nodes: int, message: str
) -> None:
    variables(**given)
    with pytest.raises(UserError, match=message):
        find_world(devices, nodes)


def test_tasks_of_slurm_meet_at_the_first_node(variables: Any) -> None:
    tasks = BATCH | srun(1, 2, 0, 1)
    for nodes, first in (("gpu[07-09,11],cpu3", "gpu07"), ("a1,a2", "a1"), ("rack2-n[5]", "rack2-n5"), ("one", "one")):
        variables(**tasks, SLURM_JOB_NODELIST=nodes)
        assert meeting_point() == (first, 15000 + 4567)
    variables(**tasks, MASTER_ADDR="here", MASTER_PORT=99)
    assert meeting_point() == ("here", 99)
    variables(**BATCH)
    assert meeting_point() is None
