#!/usr/bin/env python3
"""The PyTorch twin of lockstep-bench-train: same weights, batches, optimizer and timing boundaries.

A step is forward, loss, backward, gradient exchange and update on data already in memory, after a
barrier. Its time is the slowest rank's; figures are medians after the warm-up. Every rank is a process
with one thread on a core of its own, and gradients travel by torch.distributed over gloo.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
from datetime import datetime, timezone
from importlib.util import find_spec
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from rank import Shared

TAKES_IMAGES = {"mlp": False, "cnn": True}  # every workload; their models are in workloads.py

HOW_TO_INSTALL = """PyTorch is not installed for {python}
  fix: python3 -m venv ~/peers && ~/peers/bin/pip install torch numpy
       then run this program with ~/peers/bin/python"""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=TAKES_IMAGES, default="cnn")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32", help="bf16 is autocast over f32 weights")
    parser.add_argument("--batch", type=int, help="samples per step of all ranks together")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warmup", type=int, help="default: max(8, steps / 5)")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--solo", action="store_true", help="independent ranks, each on batch / ranks samples")
    parser.add_argument("--losses", metavar="FILE", help="one loss a line, warm-up included: the mean over the batch")
    parser.add_argument("--json", metavar="FILE", help="write the result in Google Benchmark's schema")
    parser.add_argument("--inputs", metavar="FILE", help="written by lockstep-bench-train --inputs; noise without it")
    variant = parser.add_argument_group("variants")
    variant.add_argument("--compiled", nargs="?", choices=["outer", "inner"], const="outer",
                         help="torch.compile around (outer, the default) or within DistributedDataParallel")  # fmt: skip
    variant.add_argument("--channels-last", action="store_true")
    variant.add_argument("--bucket-cap-mb", type=float)
    variant.add_argument("--gradient-as-bucket-view", action="store_true")
    variant.add_argument("--static-graph", action="store_true")
    variant.add_argument("--fused", action="store_true", help="the optimizer's fused update")
    return parser.parse_args(arguments)


def complete(options: argparse.Namespace) -> None:
    """Fills in the defaults that depend on others, and refuses what cannot be run."""
    from workloads import WORKLOADS

    if options.warmup is None:
        options.warmup = max(8, options.steps // 5)
    if options.batch is None:
        options.batch = WORKLOADS[options.workload].batch_per_rank * options.ranks
    if options.steps < 1 or options.warmup < 0 or options.ranks < 1:
        refuse("--steps and --ranks must be at least 1, --warmup at least 0")
    if options.batch < 1 or options.batch % options.ranks:
        refuse(f"--batch {options.batch} does not divide among {options.ranks} ranks")
    if options.channels_last and not TAKES_IMAGES[options.workload]:
        refuse(f"--channels-last: the samples of {options.workload} are no images")
    if options.inputs and not Path(options.inputs).is_file():
        refuse(f"--inputs: {options.inputs} does not exist; lockstep-bench-train --inputs writes it")


def refuse(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(2)


def launch(options: argparse.Namespace, run, total: int) -> Shared:
    """Calls `run` on every rank, each pinned to one core from its first instruction on; `total` steps are timed."""
    import rank

    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < options.ranks:
        refuse(f"{options.ranks} ranks need a core each, this process may use {len(cores)}")
    os.environ.update(OMP_NUM_THREADS="1", TORCHINDUCTOR_COMPILE_THREADS="1")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    shared = rank.Shared.create(options.ranks, total)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        meeting_point = str(Path(folder) / "store")
        processes = [context.Process(target=run, args=(r, options, shared, meeting_point))
                     for r in range(options.ranks)]  # fmt: skip
        for process, core in zip(processes, cores):
            os.sched_setaffinity(0, {core})
            process.start()
        os.sched_setaffinity(0, cores)
        join(processes)
    return shared


def join(processes: list) -> None:
    """Waits for all ranks; the first that fails ends the others."""
    running = list(processes)
    while running:
        wait([process.sentinel for process in running])
        failed = [process for process in running if process.exitcode not in (None, 0)]
        running = [process for process in running if process.exitcode is None]
        if failed:
            for process in running:
                process.terminate()
            raise SystemExit(1)


def counters(options: argparse.Namespace, shared: Shared) -> dict[str, float]:
    def slowest(table) -> list[float]:
        rows = [table[r * shared.total : (r + 1) * shared.total] for r in range(shared.ranks)]
        return [1e3 * max(column) for column in list(zip(*rows))[options.warmup :]]

    step = slowest(shared.seconds)
    deciles = statistics.quantiles(step, n=10, method="inclusive") if len(step) > 1 else step * 9
    median = statistics.median(step)
    return {
        "step_ms": median,
        "step_ms_p10": deciles[0],
        "step_ms_p90": deciles[-1],
        "samples_per_s": 1e3 * options.batch / median,
        "wait_ms": statistics.median(slowest(shared.wait_seconds)),
        "peak_mib": max(shared.peak_mib),
    }


def mean_losses(shared: Shared) -> list[float]:
    return [sum(shared.losses[step :: shared.total]) / shared.ranks for step in range(shared.total)]


def name_of(options: argparse.Namespace) -> str:
    parts = [options.compiled and f"compiled-{options.compiled}" or "eager"]
    parts += ["channels-last"] * options.channels_last
    if not options.solo:
        parts += [f"bucket-{options.bucket_cap_mb or 'default'}"]
        parts += ["bucket-view"] * options.gradient_as_bucket_view + ["static-graph"] * options.static_graph
    parts += ["fused"] * options.fused
    sides = "solo" if options.solo else "ddp"
    return f"train/{options.workload}/{options.dtype}/pytorch/{sides}/{'+'.join(parts)}"


def document(options: argparse.Namespace, measured: dict[str, float]) -> dict:
    import torch

    entry = {
        "name": name_of(options),
        "run_name": name_of(options),
        "run_type": "iteration",
        "iterations": options.steps,
        "real_time": measured["step_ms"],
        "cpu_time": measured["step_ms"],
        "time_unit": "ms",
        **measured,
    }
    context = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "host_name": os.uname().nodename,
        "executable": sys.argv[0],
        "num_cpus": os.cpu_count(),
        "pytorch": torch.__version__,
        "ranks": options.ranks,
        "batch": options.batch,
    }
    return {"context": context, "benchmarks": [entry]}


def main() -> int:
    options = parse()
    if find_spec("torch") is None:
        print(HOW_TO_INSTALL.format(python=sys.executable), file=sys.stderr)
        return 3
    complete(options)
    import rank

    shared = launch(options, rank.run, options.warmup + options.steps)
    measured = counters(options, shared)
    if options.losses:
        Path(options.losses).write_text("".join(f"{loss:.9g}\n" for loss in mean_losses(shared)))
    if options.json:
        Path(options.json).write_text(json.dumps(document(options, measured), indent=2) + "\n")
    print(name_of(options), "  ".join(f"{name} {value:.6g}" for name, value in measured.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
