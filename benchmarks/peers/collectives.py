#!/usr/bin/env python3
"""The torch.distributed (gloo) twin of lockstep-bench-collectives: the same sizes, counters and conventions.

Every rank is a process with one thread on a core of its own. Calls work on buffers that have just been written, other
ones than the call before; those below 256 KiB are timed up to 16 at once. Times are the slowest rank's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path

from train import HOW_TO_INSTALL, launch, refuse

TOGETHER_BYTES = 256 << 10
MOST_TOGETHER = 16
REPEAT_BYTES = 64 << 20
SUFFIXES = {"K": 10, "M": 20, "G": 30}
IN_PLACE = ("all_reduce", "reduce", "broadcast")  # gloo's own way; the others need two buffers
OPS = (*IN_PLACE, "all_gather", "gather", "scatter", "all_to_all")
PARTS = ("all_gather", "gather", "scatter", "all_to_all")


def size(text: str) -> int:
    shift = SUFFIXES.get(text[-1:], 0)
    return int(text[:-1] if shift else text) << shift


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--op", choices=OPS, default="all_reduce")
    parser.add_argument("--min", type=size, default=4 << 10, help="bytes, with the suffix K, M or G")
    parser.add_argument("--max", type=size, default=64 << 20)
    parser.add_argument("--factor", type=int, default=4)
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--repeats", type=int, help="default: by size, from 20 to 200")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--json", metavar="FILE", help="write the result in Google Benchmark's schema")
    return parser.parse_args(arguments)


def sizes(options: argparse.Namespace) -> list[int]:
    """Bytes of f32, rounded down to whole parts, one for each rank."""
    grain = 4 * (options.ranks if options.op in PARTS else 1)
    found, bytes_ = [], options.min
    while bytes_ <= options.max:
        found.append(bytes_ // grain * grain)
        bytes_ *= options.factor
    return found


def together(bytes_: int) -> int:
    return min(max(TOGETHER_BYTES // bytes_, 1), MOST_TOGETHER)


def repeats(options: argparse.Namespace, bytes_: int) -> int:
    return options.repeats or min(max(REPEAT_BYTES // bytes_, 20), 200)


def total_steps(options: argparse.Namespace) -> int:
    return sum(options.warmup + repeats(options, bytes_) for bytes_ in sizes(options))


def run(rank: int, options: argparse.Namespace, shared, meeting_point: str) -> None:
    """One rank: each step of `shared` is one repeat; `losses` takes its wrong elements."""
    import time

    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting_point}", rank=rank, world_size=options.ranks)
    step = 0
    for bytes_ in sizes(options):
        calls = [call_of(options.op, bytes_ // 4, rank, options.ranks) for _ in range(2 * together(bytes_))]
        for _ in range(options.warmup + repeats(options, bytes_)):
            mine = calls[step % 2 :: 2]
            for write, _, _ in mine:
                write()
            shared.barrier(rank, step)
            begin = time.perf_counter()
            for _, start, _ in mine:
                start()
            shared.seconds[rank * shared.total + step] = (time.perf_counter() - begin) / len(mine)
            shared.losses[rank * shared.total + step] = sum(wrong() for _, _, wrong in mine)
            step += 1
    shared.barrier(rank, step)
    sys.stdout.flush()
    os._exit(0)  # gloo's threads abort the process now and then when it is taken down in the ordinary way


def call_of(op: str, count: int, rank: int, ranks: int) -> tuple[Callable, Callable, Callable]:
    """Writes one call's buffers anew, makes the call, counts its wrong elements. Rank 0 is the root."""
    import torch
    import torch.distributed as dist

    part = count // ranks
    given = [(torch.arange(count) % 4 + r).float() for r in range(ranks)]
    data, out = torch.empty(count), torch.empty(count)
    pieces = list(out.split(part)) if op in PARTS else []
    own = torch.empty(part)

    def write() -> None:
        data.copy_(given[rank])
        own.copy_(given[rank][:part])

    starts = {
        "all_reduce": lambda: dist.all_reduce(data),
        "reduce": lambda: dist.reduce(data, 0),
        "broadcast": lambda: dist.broadcast(data, 0),
        "all_gather": lambda: dist.all_gather(pieces, own),
        "gather": lambda: dist.gather(own, pieces if rank == 0 else None, 0),
        "scatter": lambda: dist.scatter(own, list(data.split(part)) if rank == 0 else None, 0),
        "all_to_all": lambda: dist.all_to_all_single(out, data),
    }
    gathered = torch.cat([each[:part] for each in given])
    expected = {
        "all_reduce": lambda: (data, sum(given)),
        "reduce": lambda: (data, sum(given)) if rank == 0 else (data[:0], data[:0]),
        "broadcast": lambda: (data, given[0]),
        "all_gather": lambda: (out, gathered),
        "gather": lambda: (out, gathered) if rank == 0 else (out[:0], out[:0]),
        "scatter": lambda: (own, given[0][rank * part : (rank + 1) * part]),
        "all_to_all": lambda: (out, torch.cat([each[rank * part : (rank + 1) * part] for each in given])),
    }

    def wrong() -> int:
        found, right = expected[op]()
        return int((found != right).sum())

    return write, starts[op], wrong


def bus_factor(op: str, ranks: int) -> float:
    if op == "all_reduce":
        return 2 * (ranks - 1) / ranks
    return (ranks - 1) / ranks if op in PARTS else 1.0


def entries(options: argparse.Namespace, shared) -> list[dict]:
    rows = [shared.seconds[r * shared.total : (r + 1) * shared.total] for r in range(shared.ranks)]
    slowest = [max(column) for column in zip(*rows)]
    wrong = [sum(shared.losses[step :: shared.total]) for step in range(shared.total)]
    placement = "in_place" if options.op in IN_PLACE else "out_of_place"
    found, step = [], 0
    for bytes_ in sizes(options):
        end = step + options.warmup + repeats(options, bytes_)
        median = statistics.median(slowest[step + options.warmup : end])
        algbw = 1e-9 * bytes_ / median
        found.append({
            "name": f"collectives/{options.op}/f32/gloo/{bytes_}/{placement}",
            "run_type": "iteration", "iterations": repeats(options, bytes_),
            "real_time": 1e3 * median, "cpu_time": 1e3 * median, "time_unit": "ms",
            "size": bytes_, "time_us": 1e6 * median, "algbw_gbs": algbw,
            "busbw_gbs": algbw * bus_factor(options.op, options.ranks), "wrong": sum(wrong[step:end]),
        })  # fmt: skip
        step = end
    return found


def main() -> int:
    options = parse()
    if find_spec("torch") is None:
        print(HOW_TO_INSTALL.format(python=sys.executable), file=sys.stderr)
        return 3
    if options.min < 4 * options.ranks or options.min > options.max or options.factor < 2 or options.ranks < 1:
        refuse("--min must be at least 4 bytes a rank and at most --max, --factor at least 2, --ranks at least 1")
    found = entries(options, launch(options, run, total_steps(options)))
    for entry in found:
        print(f"{entry['size']:12} {entry['time_us']:12.2f} us {entry['algbw_gbs']:8.3f} GB/s {entry['wrong']:8.0f} wrong")
    if options.json:
        import torch

        about = {"date": datetime.now(timezone.utc).isoformat(timespec="seconds"), "host_name": os.uname().nodename,
                 "executable": sys.argv[0], "pytorch": torch.__version__, "ranks": options.ranks}  # fmt: skip
        Path(options.json).write_text(json.dumps({"context": about, "benchmarks": found}, indent=2) + "\n")
    return 1 if any(entry["wrong"] for entry in found) else 0


if __name__ == "__main__":
    sys.exit(main())
