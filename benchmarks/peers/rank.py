"""One rank of the twin: builds the model in the chosen variant and times its steps."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from ctypes import Array
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import inputs
from workloads import WORKLOADS, Tensors, Workload


@dataclass
class Shared:
    """Memory that all ranks and their launcher see; row r belongs to rank r."""

    ranks: int
    total: int
    arrived: Array
    seconds: Array
    wait_seconds: Array
    losses: Array
    peak_mib: Array

    @classmethod
    def create(cls, ranks: int, total: int) -> Shared:
        def table(kind: str, columns: int) -> Array:
            return multiprocessing.RawArray(kind, ranks * columns)

        return cls(ranks, total, table("q", 1), table("d", total), table("d", total), table("d", total), table("d", 1))

    def barrier(self, rank: int, step: int) -> None:
        """Polls, because sockets would let the ranks start apart, and yields the core to gloo's own threads."""
        self.arrived[rank] = step + 1
        while min(self.arrived) <= step:
            os.sched_yield()


class ModelWithLoss(nn.Module):
    """The loss belongs to the module so that the compiler may fuse it."""

    def __init__(self, workload: Workload, dtype: str) -> None:
        super().__init__()
        self.model = workload.model()
        self.workload = workload
        self.dtype = dtype

    def precision(self) -> AbstractContextManager:
        return torch.autocast("cpu", dtype=torch.bfloat16) if self.dtype == "bf16" else nullcontext()

    def forward(self, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        with self.precision():
            return self.workload.loss(self.model(x), target)


def run(rank: int, options: argparse.Namespace, shared: Shared, meeting_point: str) -> None:
    """The body of a rank's process; the launcher has pinned it already."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    workload = WORKLOADS[options.workload]()
    stored = _stored(workload, options)
    batches = _batches(stored, rank, options)
    if not options.solo:
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{meeting_point}", rank=rank, world_size=shared.ranks
        )
    model = _model(workload, stored, options)
    _train(rank, model, workload.optimizer(model, options.fused), batches, shared)
    shared.peak_mib[rank] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    shared.barrier(rank, shared.total)
    sys.stdout.flush()
    os._exit(0)  # gloo's threads abort the process now and then when it is taken down in the ordinary way


def _train(
    rank: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: list[tuple[torch.Tensor, torch.Tensor]],
    shared: Shared,
) -> None:
    row = rank * shared.total
    for step in range(shared.total):
        x, target = batches[step % len(batches)]
        shared.barrier(rank, step)
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = model(x, target)
        loss.backward()
        optimizer.step()
        shared.seconds[row + step] = time.perf_counter() - start
        shared.losses[row + step] = loss.item()
        shared.wait_seconds[row + step] = _wait_seconds(model)


def _wait_seconds(model: nn.Module) -> float:
    """Seconds from the end of the backward pass to the end of its gradient exchange (0 until PyTorch has logged one)."""
    if not isinstance(model, DistributedDataParallel):
        return 0.0
    data = model._get_ddp_logging_data()
    ends = (data.get("backward_comm_time_end", 0), data.get("backward_compute_time_end", 0))
    return max(0, ends[0] - ends[1]) * 1e-9


def _stored(workload: Workload, options: argparse.Namespace) -> Tensors:
    if options.inputs is None:
        return workload.random_inputs(options.batch)
    return inputs.read(Path(options.inputs))


def _batches(stored: Tensors, rank: int, options: argparse.Namespace) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """This rank's contiguous slice of each batch, copied and in the layout that the model wants."""
    if stored["batch.x"].shape[1] != options.batch:
        raise SystemExit(f"{options.inputs} holds batches of {stored['batch.x'].shape[1]}, --batch is {options.batch}")
    share = options.batch // options.ranks
    mine = slice(rank * share, (rank + 1) * share)
    return [
        (_laid_out(x[mine], options.channels_last), target[mine].clone())
        for x, target in zip(stored["batch.x"], stored["batch.y"])
    ]


def _laid_out(x: torch.Tensor, channels_last: bool) -> torch.Tensor:
    if x.dim() != 4:  # no image
        return x.clone()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return x.permute(0, 3, 1, 2).clone(memory_format=layout)


def _model(workload: Workload, stored: Tensors, options: argparse.Namespace) -> nn.Module:
    plain = ModelWithLoss(workload, options.dtype)
    parameters = {name: tensor for name, tensor in stored.items() if not name.startswith("batch.")}
    if parameters:
        plain.model.load_state_dict(workload.weights(parameters))
    model: nn.Module = plain.to(memory_format=torch.channels_last) if options.channels_last else plain
    if options.compiled == "inner":
        model.compile()
    if not options.solo:
        model = _data_parallel(model, options)
    if options.compiled == "outer":
        model.compile()
    return model


def _data_parallel(model: nn.Module, options: argparse.Namespace) -> DistributedDataParallel:
    parallel = DistributedDataParallel(
        model,
        bucket_cap_mb=options.bucket_cap_mb,
        gradient_as_bucket_view=options.gradient_as_bucket_view,
        static_graph=options.static_graph,
    )
    parallel._set_ddp_runtime_logging_sample_rate(1)
    return parallel
