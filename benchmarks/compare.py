#!/usr/bin/env python3
"""Times lockstep-bench-train beside its PyTorch twin: same weights and batches, interleaved in pairs.

A short sweep first finds the twin's best variant. Both sides run 2 ranks, each pinned to the same one
core with one thread. The ratio is PyTorch's step time divided by ours: the median over the pairs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from peers.train import HOW_TO_INSTALL, TAKES_IMAGES

HERE = Path(__file__).resolve().parent
RANKS = 2
DEADLINE_S = 900
LOSS_TOLERANCE = {"f32": 1e-3, "bf16": 3e-2}  # of the first loss
DRIFT_ALLOWANCE = 2  # times what the twin's own memory formats have drifted apart: rounding is amplified step by step

Variant = tuple[str, ...]  # whole flags: "--bucket-cap-mb 25" is one element
Change = tuple[Variant, Variant]  # flags to add and flags to remove
Side = TypeVar("Side")


class Failure(Exception):
    """Ends the program with a message and an exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Run:
    counters: dict[str, float]
    losses: list[float]

    @property
    def step_ms(self) -> float:
        return self.counters["step_ms"]


@dataclass(frozen=True)
class Bench:
    """Both programs with what every run of theirs has in common."""

    options: argparse.Namespace
    folder: Path

    @property
    def inputs(self) -> Path:
        return self.folder / "inputs.safetensors"

    def ours(self, steps: int, *, write_inputs: bool = False) -> Run:
        flags = ["--inputs", str(self.inputs)] if write_inputs else []
        return self._run(lambda common: mpirun([self.options.bench, *common, *flags]), steps)

    def twin(self, steps: int, variant: Variant) -> Run:
        program = [self.options.python, str(HERE / "peers" / "train.py"), "--inputs", str(self.inputs)]
        program += " ".join(variant).split()
        return self._run(lambda common: [*program, *common], steps)

    def _run(self, command, steps: int) -> Run:
        result, losses = self.folder / "result.json", self.folder / "losses.txt"
        common = ["--workload", self.options.workload, "--dtype", self.options.dtype, "--steps", str(steps)]
        common += ["--json", str(result), "--losses", str(losses)]
        if self.options.batch:
            common += ["--batch", str(self.options.batch)]
        for stale in (result, losses):
            stale.unlink(missing_ok=True)
        execute(command(common))
        (entry,) = json.loads(result.read_text())["benchmarks"]
        return Run(entry, [float(line) for line in losses.read_text().split()])


def mpirun(program: Sequence[str]) -> list[str]:
    """Starts the ranks on the cores that the twin takes too, whatever the machine's numbering is."""
    cores = sorted(os.sched_getaffinity(0))[:RANKS]
    as_root = ["--allow-run-as-root"] if os.getuid() == 0 else []
    launch = ["mpirun", *as_root, "--bind-to", "none", "--host", f"localhost:{RANKS}"]
    for index, core in enumerate(cores):
        launch += [":"] * (index > 0) + ["-np", "1", "taskset", "-c", str(core), *program]
    return launch


def execute(command: Sequence[str]) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        raise Failure(f"not finished after {DEADLINE_S} s: {' '.join(command)}") from None
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise Failure(f"exit code {done.returncode}: {' '.join(command)}\n{tail}")


def require_tools(options: argparse.Namespace) -> None:
    has_torch = "import importlib.util as u; raise SystemExit(u.find_spec('torch') is None)"
    if shutil.which(options.python) is None or subprocess.run([options.python, "-c", has_torch]).returncode:
        raise Failure(HOW_TO_INSTALL.format(python=options.python), 3)
    if shutil.which(options.bench) is None:
        raise Failure(
            f"{options.bench} does not exist\n"
            "  fix: cmake --build --preset release --target lockstep-bench-train, or give its path with --bench",
            3,
        )
    for tool in ("mpirun", "taskset"):
        if shutil.which(tool) is None:
            raise Failure(f"{tool} is not installed\n  fix: apt-get install openmpi-bin util-linux", 3)
    if len(os.sched_getaffinity(0)) < RANKS:
        raise Failure(f"{RANKS} ranks need a core each, this process may use {len(os.sched_getaffinity(0))}", 3)


def best_variant(bench: Bench, steps: int) -> Variant:
    """Goes through one choice after the other and keeps the fastest value of each."""
    variant: Variant = ("--bucket-cap-mb 25", "--gradient-as-bucket-view", "--fused")
    best, best_ms = variant, bench.twin(steps, variant).step_ms
    progress(f"{best_ms:9.3f} ms  {' '.join(best)}")
    for changes in choices(bench.options):
        start = best
        for added, removed in changes:
            candidate = tuple(flag for flag in start if flag not in removed) + added
            candidate_ms = bench.twin(steps, candidate).step_ms
            progress(f"{candidate_ms:9.3f} ms  {' '.join(candidate)}")
            if candidate_ms < best_ms:
                best, best_ms = candidate, candidate_ms
    return best


def choices(options: argparse.Namespace) -> list[list[Change]]:
    """What the sweep tries, stage by stage."""
    compiled: list[Variant] = [("--compiled outer",)]
    if not options.quick:
        compiled.append(("--compiled inner",))
    modes = [*compiled]
    if TAKES_IMAGES[options.workload]:
        modes.append(("--channels-last",))
        modes.extend(("--channels-last", *mode) for mode in compiled)
    sizes: list[Variant] = [()] if options.quick else [(), ("--bucket-cap-mb 1",), ("--bucket-cap-mb 100",)]
    stages: list[list[Change]] = [[(mode, ()) for mode in modes], [(size, ("--bucket-cap-mb 25",)) for size in sizes]]
    if not options.quick:
        stages.append([(("--static-graph",), ()), ((), ("--gradient-as-bucket-view",)), ((), ("--fused",))])
    return stages


def loss_tolerance(bench: Bench, variant: Variant) -> list[float]:
    """How far the losses of each step may lie apart: a share of the first loss, or what sums in another order do to
    the twin itself, where its two memory formats show it."""
    options = bench.options
    own = bench.twin(options.steps, variant).losses
    floor = LOSS_TOLERANCE[options.dtype] * abs(own[0])
    if not TAKES_IMAGES[options.workload]:
        return [floor] * len(own)
    text = " ".join(variant)
    flipped = text.replace("--channels-last", "") if "--channels-last" in text else text + " --channels-last"
    other = bench.twin(options.steps, (flipped,)).losses
    drift = list(itertools.accumulate((abs(left - right) for left, right in zip(own, other)), max))
    progress(f"PyTorch's memory formats drift apart by {drift[-1]:.1e} over {len(drift)} steps")
    return [max(floor, DRIFT_ALLOWANCE * apart) for apart in drift]


def interleaved(count: int, ours: Callable[[], Side], theirs: Callable[[], Side]) -> Iterator[tuple[Side, Side]]:
    """ABBA: every second pair starts with the other side, so that a drift of the machine cancels out."""
    for index in range(count):
        if index % 2 == 0:
            own = ours()
            yield own, theirs()
        else:
            other = theirs()
            yield ours(), other


def measured_pairs(bench: Bench, variant: Variant) -> list[tuple[Run, Run]]:
    tolerance, steps, pairs = loss_tolerance(bench, variant), bench.options.steps, []
    for ours, twin in interleaved(bench.options.pairs, lambda: bench.ours(steps), lambda: bench.twin(steps, variant)):
        pairs.append((ours, twin))
        progress(f"pair {len(pairs)}: {ours.step_ms:.3f} ms, PyTorch {twin.step_ms:.3f} ms")
        require_same_losses(ours.losses, twin.losses, tolerance)
    return pairs


def require_same_losses(ours: list[float], twin: list[float], tolerance: list[float]) -> None:
    if len(ours) != len(twin) or not ours:
        raise Failure(f"the loss curves have {len(ours)} and {len(twin)} points: the sides did not run the same steps")
    for step, (left, right, bound) in enumerate(zip(ours, twin, tolerance)):
        if not abs(left - right) <= bound:
            raise Failure(f"the loss curves part at step {step}: {left:.6g}, PyTorch {right:.6g}")


def report(options: argparse.Namespace, variant: Variant, pairs: list[tuple[Run, Run]]) -> str:
    ours, twin = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ratios = [theirs.step_ms / own.step_ms for own, theirs in pairs]
    lines = [
        f"{options.workload} {options.dtype}, {RANKS} ranks, {len(pairs)} pairs of {options.steps} steps",
        f"PyTorch: {' '.join(variant)}",
        f"{'':14}{'lockstep':>12}{'PyTorch':>12}",
    ]
    for name in ("step_ms", "step_ms_p10", "step_ms_p90", "samples_per_s", "wait_ms", "peak_mib"):
        lines.append(f"{name:14}{cell(median(ours, name))}{cell(median(twin, name))}")
    limit = median(ours, "limit_ms")
    if limit is not None:
        shares = [limit / statistics.median(run.step_ms for run in side) for side in (ours, twin)]
        lines.append(f"{'limit_ms':14}{cell(limit)}{cell(limit)}")
        lines.append(f"{'limit / step':14}{cell(shares[0])}{cell(shares[1])}")
    extent = f"(from {min(ratios):.2f} to {max(ratios):.2f})"
    lines.append(f"ratio {statistics.median(ratios):.2f} {extent}: PyTorch / lockstep")
    losses = ours[-1].losses
    apart = max(abs(left - right) for own, theirs in pairs for left, right in zip(own.losses, theirs.losses))
    lines.append(f"losses agree within {apart:.1e} over {len(losses)} steps: {losses[0]:.5f} to {losses[-1]:.5f}")
    return "\n".join(lines)


def median(runs: list[Run], name: str) -> float | None:
    values = [run.counters[name] for run in runs if name in run.counters]
    return statistics.median(values) if values else None


def cell(value: float | None) -> str:
    return f"{'-':>12}" if value is None else f"{value:12.5g}"


def progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=TAKES_IMAGES, default="cnn")
    parser.add_argument("--dtype", choices=LOSS_TOLERANCE, default="f32")
    parser.add_argument("--batch", type=int, help="samples per step of all ranks together; default: the workload's own")
    parser.add_argument("--pairs", type=int, help="default: 6, quick: 2")
    parser.add_argument("--steps", type=int, help="timed steps of a run; default: 100, quick: 40")
    parser.add_argument("--quick", action="store_true", help="fewer pairs, steps and variants: a first look")
    parser.add_argument("--variant", help='--variant="--fused --channels-last" instead of the sweep')
    parser.add_argument("--bench", default=str(HERE.parent / "build" / "release" / "bin" / "lockstep-bench-train"))
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has PyTorch; default: this one")
    options = parser.parse_args()
    options.pairs = options.pairs or (2 if options.quick else 6)
    options.steps = options.steps or (40 if options.quick else 100)
    return options


def compare(options: argparse.Namespace) -> str:
    require_tools(options)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        bench.ours(options.steps, write_inputs=True)
        variant = (options.variant,) if options.variant is not None else best_variant(bench, options.steps)
        return report(options, variant, measured_pairs(bench, variant))


def exit_code(comparison: Callable[[], str]) -> int:
    """Prints what the comparison says, or why there is none."""
    try:
        print(comparison())
    except Failure as failure:
        print(failure, file=sys.stderr)
        return failure.code
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(lambda: compare(parse())))
