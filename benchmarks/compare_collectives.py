#!/usr/bin/env python3
"""Times lockstep-bench-collectives beside its torch.distributed (gloo) twin, interleaved in pairs (ABBA).

For each size it prints the bandwidths of lockstep, plain MPI, gloo and the limit, and the ratios to them: medians over
the pairs with their 95 % interval by order statistics (the range where there are fewer than six pairs). MPI and limit
are measured within lockstep's run.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
from pathlib import Path

from compare import HERE, RANKS, execute, exit_code, interleaved, mpirun, progress

sys.path.insert(0, str(HERE / "peers"))  # whose modules name each other without their folder
from collectives import IN_PLACE, OPS  # noqa: E402

Figures = dict[int, dict[str, float]]  # by size


def interval(values: list[float]) -> tuple[float, float]:
    """Holds the median with a confidence of at least 95 %: the count of values below it is binomial."""
    ordered, out, below = sorted(values), 0, 0.5 ** len(values)
    while below <= 0.025:
        out += 1
        below += math.comb(len(values), out) * 0.5 ** len(values)
    out = max(out, 1)
    return ordered[out - 1], ordered[-out]


def run(command: list[str], flags: list[str], options: argparse.Namespace, wrap=lambda program: program) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        execute(wrap([*command, *flags, "--json", str(result)]))
        entries = json.loads(result.read_text())["benchmarks"]
    placement = "in_place" if options.op in IN_PLACE else "out_of_place"
    return {int(entry["size"]): entry for entry in entries if entry["name"].endswith("/" + placement)}


def pairs(options: argparse.Namespace) -> list[tuple[Figures, Figures]]:
    flags = ["--op", options.op, "--min", options.min, "--max", options.max, "--factor", str(options.factor)]
    own = [options.bench, "--transport", options.transport]
    gloo = [options.python, str(HERE / "peers" / "collectives.py"), "--ranks", str(RANKS)]
    found = []
    own_run, gloo_run = lambda: run(own, flags, options, mpirun), lambda: run(gloo, flags, options)
    for pair in interleaved(options.pairs, own_run, gloo_run):
        found.append(pair)
        progress(f"pair {len(found)} of {options.pairs}")
    return found


def report(options: argparse.Namespace, found: list[tuple[Figures, Figures]]) -> str:
    lines = [
        f"{options.op} f32, {RANKS} ranks, {len(found)} pairs, algbw in GB/s; lockstep / other with its interval",
        f"{'size':>12}{'lockstep':>10}{'MPI':>10}{'gloo':>10}{'limit':>10}  {'/ MPI':<26}{'/ gloo':<26}{'/ limit':<26}",
    ]
    for size in sorted(found[0][0]):
        columns = {
            "lockstep": [ours[size]["algbw_gbs"] for ours, _ in found],
            "MPI": [ours[size].get("mpi_algbw_gbs", math.nan) for ours, _ in found],
            "gloo": [theirs[size]["algbw_gbs"] for _, theirs in found],
            "limit": [ours[size].get("limit_algbw_gbs", math.nan) for ours, _ in found],
        }
        line = f"{size:12}" + "".join(f"{statistics.median(values):10.3f}" for values in columns.values()) + "  "
        for other in ("MPI", "gloo", "limit"):
            ratios = [own / its for own, its in zip(columns["lockstep"], columns[other])]
            low, high = interval(ratios)
            line += f"{f'{statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})':<26}"
        lines.append(line)
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--op", choices=OPS, default="all_reduce")
    parser.add_argument("--transport", default="auto", help="of lockstep-bench-collectives")
    parser.add_argument("--min", default="64K")
    parser.add_argument("--max", default="64M")
    parser.add_argument("--factor", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=15)
    bench = HERE.parent / "build" / "release" / "bin" / "lockstep-bench-collectives"
    parser.add_argument("--bench", default=str(bench))
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has PyTorch; default: this one")
    return parser.parse_args()


def compare(options: argparse.Namespace) -> str:
    return report(options, pairs(options))


if __name__ == "__main__":
    sys.exit(exit_code(lambda: compare(parse())))
