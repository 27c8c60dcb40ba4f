"""The rounds of one fresh process: build, warm up, take turns, and say what the machine did."""

import time
from dataclasses import replace
from typing import Any

import torch

from bench.engine.orders import orders
from bench.engine.rounds import run_rounds, warm_up
from bench.engine.turn_token import Baton
from bench.machine import contention, gpu
from bench.machine.environment import usable_cores
from bench.schema.records import Replicate
from bench.schema.tasks import ReplicateTask
from bench.workload.arms import build_arms
from bench.workload.compilation import first_calls
from bench.workload.inputs import make_inputs


def replicate(task: ReplicateTask) -> dict[str, Any]:
    """Measure a replicate."""
    start_s = time.perf_counter()
    case = task.case
    device = torch.device(case.device)
    inputs, _ = make_inputs(task)
    compiled = case.compile_mode != "off"
    own = task.own or tuple(task.arms)
    mine = replace(task, arms={arm: task.arms[arm] for arm in own})
    arms = build_arms(mine, inputs, compiled=compiled, index=task.index, marked=True)
    first = first_calls(task, arms) if compiled else {}
    warm_up(arms, device)
    seed = f"{task.seed}-{case.case_id}"
    turns = orders(tuple(task.arms), seed, task.first_round, task.rounds, task.order)
    with Baton(own, task.inboxes) as baton:
        baton.wait_for_all(turns)
        card = gpu.read(device)
        before = contention.read(card)
        rounds = run_rounds(arms, baton.own_turns(turns), device)
        card = gpu.read(device, card.at_us if card else 0)
        load = contention.between(before, contention.read(card))
    return Replicate(
        index=task.index,
        server=task.server,
        first_round=task.first_round,
        rounds_s=rounds.wall_s,
        device_rounds_s=rounds.device_s,
        launch_rounds_s=rounds.launch_s,
        spans_s=rounds.spans_s,
        compile_s={arm: call.seconds for arm, call in first.items()} or None,
        elapsed_s=time.perf_counter() - start_s,
        load=load,
        contended=contention.contended(load, case.threads, usable_cores()),
    ).to_json()
