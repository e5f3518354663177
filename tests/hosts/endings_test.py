#!/usr/bin/env python3
"""How a job of two hosts ends when a rank of the second host stops or dies.

usage: endings_test.py MPIRUN ENDINGS {stopped|killed}

ENDINGS is the program of tests/mpi/endings.cpp.
"""

import re
import subprocess
import sys
import time

from network import Network, NotPermitted
from on_hosts import mpirun, parsed

SECONDS = 90  # until a job counts as one that hangs


class Job:
    """One rank on each of two hosts, which end in the given way."""

    def __init__(self, network, launcher, program, way, timeout):
        self.flight = network.scratch / "flight"
        self.flight.mkdir()
        options = parsed(["--mpirun", launcher, "--env", f"LOCKSTEP_TIMEOUT={timeout}",
                          "--env", f"LOCKSTEP_FLIGHT_DIR={self.flight}", program, way])
        command = network.command_on(0, "exec " + mpirun(network, [1, 1], options))
        self.way = way
        self.output = ""
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)

    def wait_for_event(self):
        for line in self.process.stdout:
            self.output += line
            if "event at" in line:
                return time.monotonic()
        sys.exit(f"{self.way}: nothing happened:\n{self.output}")

    def ended(self):
        """The exit code."""
        try:
            self.output += self.process.communicate(timeout=SECONDS)[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
            sys.exit(f"{self.way}: mpirun still runs after {SECONDS} s:\n{self.output}")
        return self.process.returncode

    def expect(self, pattern):
        if not re.search(pattern, self.output):
            sys.exit(f"{self.way}: no '{pattern}' in:\n{self.output}")

    def expect_record(self, rank, pattern):
        """In the flight file of that rank."""
        record = (self.flight / f"rank{rank:05}.flight.jsonl").read_text()
        if not re.search(pattern, record):
            sys.exit(f"{self.way}: no '{pattern}' in:\n{record}\nThe job said:\n{self.output}")


def expect(status, what):
    if not status:
        sys.exit(what)


def stopped(network, *program):
    """Its state is not seen from another host, but its heartbeats are missed."""
    job = Job(network, *program, "stop-barrier", timeout=7)
    expect(job.ended() == 4, f"not exit code 4:\n{job.output}")
    job.expect(rf"fix:   rank 1 \(host {network.names[1]}, pid \d+, silent for [0-9.]+ s\) never "
               "arrived; its last op was barrier #2")


def killed(network, *program):
    """mpirun reads no more of what ranks print once it hears of the death, so rank 0's message may be
    lost; mpirun's own and the flight files are not."""
    job = Job(network, *program, "kill-compute", timeout=300)
    begin = job.wait_for_event()
    expect(job.ended() != 0, "a job whose rank was killed ended well")
    expect(time.monotonic() - begin < 10, "the job outlived its rank by 10 s")
    job.expect(rf"process rank 1 with PID \d+ on node {network.addresses[1]} exited on signal 9")
    job.expect_record(0, rf"rank 1 \(host {network.names[1]}, pid \d+\) died")


def main(launcher, program, case):
    try:
        with Network(2) as network:
            {"stopped": stopped, "killed": killed}[case](network, launcher, program)
    except NotPermitted as error:
        print(f"skipped: no network namespaces can be made here: {error}", file=sys.stderr)
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
