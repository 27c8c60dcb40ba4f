"""One rank: it joins the others, checks, and takes the same turns as they do."""

import datetime as dt
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import psutil
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from bench.engine.orders import orders
from bench.engine.rounds import run_rounds
from bench.run.ddp.buckets import Bucket, comparable_limit, filled
from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.schema.tasks import Task
from bench.stats.overlap import EXCHANGE, KINDS, STEP, UNSYNCED
from bench.workload.arms import Arm, build_arms, training_step
from bench.workload.capability import unsupported
from bench.workload.inputs import make_inputs
from bench.workload.networks import Outputs
from bench.workload.same_work import MismatchError, difference, tolerance

WARM_UP_STEPS = 3
"""Before the second one DDP fills its buckets anew, by the order of arrival."""

WARM_UP_ROUNDS = 2
"""Of all turns, behind these steps: a step without sync, or an all-reduce alone, is new."""

GRADIENTS_DIFFER = 1e-4
"""At most in float32, relative to the largest of a tensor: sums are added up in another order."""


@dataclass(frozen=True)
class RankResult:
    """What a rank has seen."""

    turns_s: dict[str, dict[str, list[float]]]
    """As `bench.stats.overlap.Turns`."""
    buckets: dict[str, list[Bucket]]
    """Of every arm, in the order in which they are sent."""
    difference: float
    """The largest from the gradients of one process, relative to the largest of a tensor."""


@dataclass(frozen=True, kw_only=True)
class RankTask(Task[RankResult]):
    """Be one of several ranks, whose turns come together."""

    handler: ClassVar[str] = "bench.run.ddp.rank:measure"

    index: int
    """Of the set of processes."""
    rank: int
    world_size: int
    backend: str
    store: str
    """The file by which the ranks find each other."""
    bucket_bytes: int
    """Wanted in a bucket, at most."""
    rounds: int
    patience_s: float
    """How long a rank waits for another one."""

    def result(self, data: Any) -> RankResult:  # noqa: ANN401
        """Return what the rank has seen."""
        return RankResult(**data)


def measure(task: RankTask) -> dict[str, Any]:
    """Join the other ranks, and return the fields of `RankResult`.

    Raises:
        BenchError: the case cannot run here.
        MismatchError: the ranks do not compute what one process does, or not the same.
    """
    if reason := unsupported(task.case):
        raise BenchError(reason)
    if task.case.device != "cpu":
        torch.cuda.set_device(task.case.device)
    _stay_on_this_machine()
    store = dist.FileStore(task.store, task.world_size)  # type: ignore[attr-defined]  # no port
    store.set_timeout(_patience(task))
    dist.init_process_group(
        task.backend,
        store=store,
        rank=task.rank,
        world_size=task.world_size,
        timeout=_patience(task),
    )
    found = _measure(task)
    dist.barrier()  # whoever leaves early takes its connections along
    dist.destroy_process_group()
    return asdict(found)


def _patience(task: RankTask) -> dt.timedelta:
    return dt.timedelta(seconds=task.patience_s)


def _stay_on_this_machine() -> None:
    """Let gloo and NCCL listen on the loopback interface alone."""
    interfaces = psutil.net_if_addrs().items()
    name = next(name for name, has in interfaces if any(x.address == "127.0.0.1" for x in has))
    os.environ.update(GLOO_SOCKET_IFNAME=name, NCCL_SOCKET_IFNAME=name)


def _measure(task: RankTask) -> RankResult:
    case, images = task.case, task.case.batch_size
    of_all = replace(case, batch_size=images * task.world_size)
    joint = make_inputs(replace(task, case=of_all))[0]
    shares = list(zip(*(torch.split(x, images) for x in joint), strict=True))
    inputs = tuple(x.clone() for x in shares[task.rank])
    arms = build_arms(task, inputs, compiled=False, index=task.index)
    arrivals, exact = {}, {}
    for name, arm in arms.items():
        arrivals[name] = in_one_process(arm.network, shares, case)
        exact[name] = _gradients(arm.network)
    del joint, shares
    limit_bytes = comparable_limit(arrivals["panet"], arrivals["fpn"], task.bucket_bytes)
    buckets = {name: filled(of, limit_bytes) for name, of in arrivals.items()}
    differences: list[float] = []
    turns: dict[str, Arm] = {}
    for name, arm in arms.items():
        ddp = _distributed(arm.network, task, limit_bytes)
        step = training_step(ddp, inputs, case)
        for _ in range(WARM_UP_STEPS):
            arm.prepare()
            step()
        _check_buckets(name, ddp, buckets)
        differences.append(check_gradients(name, arm.network, exact.pop(name), case))
        _check_weights(name, arm.network)
        turns.update((turn.name, turn) for turn in _turns(arm, ddp, step, buckets[name]))
    for turn in itertools.chain(*[turns.values()] * WARM_UP_ROUNDS):
        turn.prepare()
        turn.call()
    drawn = orders(tuple(turns), f"{task.seed}-{case.case_id}-{task.index}", 0, task.rounds)
    device = torch.device(case.device)
    rounds = run_rounds(turns, lambda *_: itertools.chain(*drawn), device, case.threads)
    timed = {arm: {kind: rounds.wall_s[f"{arm} {kind}"] for kind in KINDS} for arm in arms}
    return RankResult(timed, buckets, max(differences))


def in_one_process(
    network: nn.Module, shares: Sequence[tuple[Tensor, ...]], case: Case
) -> dict[str, int]:
    """Leave the gradients of the joint batch in a network; return their bytes as they arrive.

    The batch goes through in the shares of the ranks: a convolution of another shape rounds
    otherwise, and then max-pooling and ReLU choose otherwise, which is no matter of rounding. And
    layers that normalise by their batch see that of a rank, as they do in DDP.

    Args:
        network: without DDP, and without gradients.
        shares: of the joint batch, over which the mean is taken.
        case: that is trained.

    Raises:
        BenchError: a parameter gets no gradient, for which DDP would wait.
    """
    arrived: dict[str, int] = {}

    def remembers(name: str) -> Callable[[Tensor], None]:
        return lambda x: arrived.update({name: x.nbytes})

    parameters = {name: x for name, x in network.named_parameters() if x.requires_grad}
    hooks = [
        x.register_post_accumulate_grad_hook(remembers(name))  # type: ignore[no-untyped-call]
        for name, x in parameters.items()
    ]
    for share in shares:
        training_step(network, share, case)()
    for hook in hooks:
        hook.remove()
    if idle := [name for name in parameters if name not in arrived]:
        raise BenchError(f"{len(idle)} parameters get no gradient, such as {idle[0]}")
    for gradient in _gradients(network).values():
        gradient /= len(shares)  # noqa: PLW2901 - in place
    return arrived


def _gradients(network: nn.Module) -> dict[str, Tensor]:
    """Return the gradients themselves: a network that lets go of them does not change them."""
    return {name: x.grad for name, x in network.named_parameters() if x.grad is not None}


def _distributed(network: nn.Module, task: RankTask, limit_bytes: int) -> DistributedDataParallel:
    """Return a network of a process group of its own, as those of the other arms have theirs."""
    return DistributedDataParallel(
        network,
        device_ids=None if task.case.device == "cpu" else [torch.device(task.case.device)],
        process_group=dist.new_group(timeout=_patience(task)),
        bucket_cap_mb=limit_bytes / 2**20,  # exact: torch multiplies by the same power of two
    )


def _check_buckets(
    name: str, ddp: DistributedDataParallel, planned: Mapping[str, Sequence[Bucket]]
) -> None:
    """Raise `MismatchError` unless DDP has the planned buckets, and FPN's are the last of them."""
    # Not part of torch's promises, but nothing else tells it; a test holds torch to it.
    logged = ddp._get_ddp_logging_data()  # type: ignore[no-untyped-call]
    told = str(logged.get("rebuilt_bucket_sizes"))
    if told != ", ".join(str(bucket["bytes"]) for bucket in planned[name]):
        raise MismatchError(f"{name}: DDP has buckets of {told} bytes, others than planned")
    if planned[name][-len(planned["fpn"]) :] != planned["fpn"]:
        raise MismatchError(f"{name}: the last buckets are not those of fpn")


def check_gradients(
    name: str, network: nn.Module, exact: Mapping[str, Tensor], case: Case
) -> float:
    """Return how far gradients are from those of one process, relative to the largest of a tensor.

    Raises:
        MismatchError: it is further than rounding explains.
    """
    found = _gradients(network)
    off = difference(tuple(exact.values()), tuple(found[name] for name in exact))
    if not off <= (GRADIENTS_DIFFER if case.dtype == "float32" else tolerance(case)):
        raise MismatchError(f"{name}: gradients differ from those of one process by {off:.1e}")
    return off


def _check_weights(name: str, network: nn.Module) -> None:
    """Raise `MismatchError` unless all ranks have the weights of the first after a step."""
    torch.optim.SGD(network.parameters(), lr=0.01).step()
    weights = torch.cat([x.detach().flatten() for x in network.parameters()])
    first = weights.clone()
    dist.broadcast(first, 0)
    if not torch.equal(weights, first):
        raise MismatchError(f"{name}: the ranks have other weights after a step")


def _turns(
    arm: Arm,
    ddp: DistributedDataParallel,
    step: Callable[[], Outputs],
    buckets: Sequence[Bucket],
) -> Iterator[Arm]:
    """Yield what is timed of an arm; before each call the ranks wait for each other."""
    weight = next(arm.network.parameters())
    buffers = [weight.new_zeros(of["bytes"] // weight.element_size()) for of in buckets]

    def prepare() -> None:
        arm.prepare()
        dist.barrier()

    def unsynced() -> Outputs:
        with ddp.no_sync():
            return step()

    def exchange() -> Outputs:
        group = ddp.process_group
        for work in [dist.all_reduce(x, group=group, async_op=True) for x in buffers]:
            work.wait()
        return ()

    for kind, call in {STEP: step, UNSYNCED: unsynced, EXCHANGE: exchange}.items():
        yield Arm(f"{arm.name} {kind}", arm.network, call, prepare)
