#!/usr/bin/env python3
"""How a job of two hosts ends when a rank of the second host stops or dies, or the network is cut.

usage: endings_test.py MPIRUN ENDINGS {stopped|killed|cut|cut-idle}

ENDINGS is the program of tests/mpi/endings.cpp.
"""

import os
import re
import subprocess
import sys
import time

from network import Network, NotPermitted, ip
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
        # No pipe: a daemon that is cut off would hold it open.
        self.log = network.scratch / "output"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def output(self):
        return self.log.read_text()

    def wait_for_event(self):
        begin = time.monotonic()
        while "event at" not in self.output:
            expect(time.monotonic() - begin < SECONDS, f"{self.way}: nothing happened:\n{self.output}")
            time.sleep(0.05)
        return time.monotonic()

    def ended(self):
        """The exit code."""
        try:
            return self.process.wait(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            sys.exit(f"{self.way}: mpirun still runs after {SECONDS} s:\n{self.output}")

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


def running_on(network, host, name):
    """Whether a program of that name still runs there."""
    pids = subprocess.run(["ip", "netns", "pids", network.names[host]], capture_output=True,
                          text=True).stdout.split()
    commands = subprocess.run(["ps", "-o", "comm=", "-p", ",".join(pids)], capture_output=True,
                              text=True).stdout.split() if pids else []
    return name in commands


def wait_until_gone(network, name, begin):
    for host in (0, 1):
        while running_on(network, host, name):
            expect(time.monotonic() - begin < SECONDS,
                   f"{name} still runs on host {host} after {SECONDS} s")
            time.sleep(0.1)
    print(f"no {name} any more {time.monotonic() - begin:.1f} s after the cut", flush=True)


def started_and_cut(network, *program, timeout):
    # Keep-alive rests while data is unacknowledged: the number of repeats bounds that.
    for name in network.names:
        ip("netns", "exec", name, "sh", "-c", "echo 5 > /proc/sys/net/ipv4/tcp_retries2")
    job = Job(network, *program, "cut-barrier", timeout=timeout)
    begin = job.wait_for_event()
    ip("-n", network.switch, "link", "set", "port1", "down")
    return job, begin


def wait_for_launcher(network, job, begin):
    expect(job.ended() != 0, "a job whose network was cut ended well")
    print(f"mpirun has ended {time.monotonic() - begin:.1f} s after the cut", flush=True)
    wait_until_gone(network, "orted", begin)


def cut(network, *program):
    """Ranks end at their deadline, on both sides; then the launcher."""
    job, begin = started_and_cut(network, *program, timeout=5)
    wait_until_gone(network, os.path.basename(program[1]), begin)
    job.expect(r"\[rank 0 of 2\] barrier #3 not finished after 5 s")
    wait_for_launcher(network, job, begin)


def cut_idle(network, *program):
    """Before the deadline the launcher ends the job."""
    job, begin = started_and_cut(network, *program, timeout=80)
    wait_for_launcher(network, job, begin)
    wait_until_gone(network, os.path.basename(program[1]), begin)
    expect(time.monotonic() - begin < 80, "only the ranks' deadline ended the job")


def main(launcher, program, case):
    cases = {"stopped": stopped, "killed": killed, "cut": cut, "cut-idle": cut_idle}
    try:
        with Network(2) as network:
            cases[case](network, launcher, program)
    except NotPermitted as error:
        print(f"skipped: no network namespaces can be made here: {error}", file=sys.stderr)
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
