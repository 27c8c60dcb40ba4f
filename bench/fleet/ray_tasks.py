"""The executor `ray`: a task for each request, which has the whole node to itself.

Nodes say with the resource ``bench: 1`` that they measure. A task takes it, and all CPUs and GPUs
of its node, and is bound to it. Ray retries nothing: we do. A task tells its messages as a
generator, once a second. Whatever Ray adds to the environment is taken away from the measurement.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # before Ray reads it
import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from bench.fleet.node import Message, serve
from bench.machine.environment import ROOT
from bench.schema.errors import BenchError

RESOURCE = "bench"

AT_ONCE = 1000
"""Messages taken in one turn: a whole journal of a node that goes on."""

NOT_UPLOADED = (".git", ".venv", "site", "build", "*.egg-info", "tests", "docs", "reports/runs")
"""Of a checkout, which is sent to nodes as it is here."""


def work(request: Message) -> Iterator[Message]:
    """Serve a request; runs on a node."""

    def go_on(seconds: float) -> bool:
        time.sleep(seconds)
        return True

    yield from serve(request, go_on, clean(os.environ))


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what Ray has put there.

    It sets ``OMP_NUM_THREADS`` to the CPUs of a task, and hides GPUs from tasks without any.
    """
    ours = {n: v for n, v in environ.items() if not n.startswith("RAY_") and n != "OMP_NUM_THREADS"}
    if not ours.get("CUDA_VISIBLE_DEVICES", "all"):
        del ours["CUDA_VISIBLE_DEVICES"]
    return ours


class Task:
    """A request on a node of Ray.

    Args:
        stream: of the task's messages.
    """

    def __init__(self, stream: Any) -> None:  # noqa: ANN401 - Ray's own
        self._stream = stream
        self._over: str | None = None

    def messages(self) -> list[Message]:
        """Return what came since the last call."""
        came: list[Message] = []
        while self._over is None and len(came) < AT_ONCE:
            ready, _ = ray.wait([self._stream], timeout=0)
            if not ready:
                break
            try:
                came.append(ray.get(next(self._stream)))
            except StopIteration:
                self._over = "it ended"
            except RayError as error:
                said = str(error).strip().splitlines()[0].partition(". ")[0]
                self._over = f"{type(error).__name__}: {said}"
        return came

    def over(self) -> str | None:
        """Return how the task ended."""
        return self._over

    def stop(self) -> None:
        """Interrupt the task, which then stops its measurement."""
        if self._over is None:
            ray.cancel(self._stream, force=False)


class Cluster:
    """The nodes of a cluster that have the resource."""

    patience_s = 300.0

    def nodes(self) -> list[str]:
        """Return them: the name of the host, and an id that it has until it is started again."""
        return list(self._known())

    def start(self, node: str, request: Message) -> Task:
        """Start a task; raise `BenchError` where the node is gone."""
        known = self._known().get(node)
        if known is None:
            raise BenchError("Ray has no such node any more")
        resources = known["Resources"]
        task = ray.remote(
            num_cpus=resources.get("CPU", 0),
            num_gpus=resources.get("GPU", 0),
            resources={RESOURCE: 1},
            max_retries=0,
            num_returns="streaming",
            scheduling_strategy=NodeAffinitySchedulingStrategy(known["NodeID"], soft=False),
        )(work)
        return Task(task.remote(request))

    def close(self) -> None:
        """Leave the cluster."""
        ray.shutdown()

    def _known(self) -> dict[str, dict[str, Any]]:
        return {
            f"{node['NodeManagerHostname']}-{node['NodeID'][:8]}": node
            for node in ray.nodes()
            if node["Alive"] and node["Resources"].get(RESOURCE, 0) >= 1
        }


def cluster(hosts: Sequence[str], _folder: Path) -> Cluster:
    """Return the nodes of a cluster.

    Args:
        hosts: its address; none is the one that this machine belongs to, or the job's.
        _folder: not needed.

    Raises:
        BenchError: there is no cluster there.
    """
    address = hosts[0] if hosts else "auto"
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **_code())
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        said = str(error).strip().splitlines()[0]
        raise BenchError(f"--executor ray: no cluster at {address}: {said}") from error
    return Cluster()


def _code() -> dict[str, Any]:
    """Return how nodes get our code: as a job they have it, and so has an installed package."""
    in_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    if in_job or not (ROOT / "pyproject.toml").exists():
        return {}
    return {"runtime_env": {"working_dir": str(ROOT), "excludes": list(NOT_UPLOADED)}}
