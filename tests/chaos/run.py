#!/usr/bin/env python3
"""Strikes a training run with random faults; every run must end with the weights of an undisturbed one.

usage: run.py PROGRAM [--faults 20] [--seed 1] [--mpirun PATH] [--summary FILE] [--minutes M]

One fault strikes one run: a random rank of 1 to 4, a random step, a random place in it, a random kind.
The next launch, on another number of ranks, goes on from the last checkpoint to the end, prints the
fingerprint of weights and optimizer state, and then begins the next run, which the next fault
strikes. A stopped rank (SIGSTOP; of 2 ranks or more) is given up by the others after LOCKSTEP_TIMEOUT
seconds. A launch that takes longer than its deadline counts as hung. At the end nothing of ours may
be left in /dev/shm and /tmp. --minutes ends the loop early; the summary says how many faults there
were.
"""

import argparse
import collections
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

LAST_STEP = 30
SAVE_EVERY = 3
STOP_DEADLINE = 3  # LOCKSTEP_TIMEOUT, in seconds
LAUNCH_DEADLINE = 90
KINDS = ("kill", "kill", "exit", "exception", "stop")
# How often each place is chosen. "save" and "write" are within saves, "collective" and "update" in
# collectives.
PLACES = ("save", "write", "write", "collective", "collective", "update", "compute", "between", "start")
IN_SAVES = ("save", "write", "end")
IN_COLLECTIVES = ("collective", "update")


def parsed(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--faults", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mpirun", default="mpirun")
    parser.add_argument("--summary")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    return parser.parse_args(arguments)


def is_in_use(file):
    """Whether a living process maps the file; it is then another run's, since all of ours have ended."""
    for maps in glob.glob("/proc/[0-9]*/maps"):
        try:
            with open(maps, encoding="utf8") as text:
                if file in text.read():
                    return True
        except OSError:
            continue  # that process has just ended
    return False


def left_behind():
    """What could be ours in the places that outlive processes. Other tests' own folders are not."""
    others = ("lockstep-test-", "lockstep-hosts-")
    return {os.path.join(place, name)
            for place in ("/dev/shm", tempfile.gettempdir())
            for name in os.listdir(place)
            if ("lockstep" in name and not name.startswith(others))
            or name.startswith(("vader_segment", "ompi."))}


def random_fault(random_numbers, ranks):
    place = random_numbers.choice(PLACES)
    step = random_numbers.randint(1, LAST_STEP)
    if place in ("save", "write"):
        step = SAVE_EVERY * random_numbers.randint(1, LAST_STEP // SAVE_EVERY)
    if place == "start":
        step = 0
    delay = random_numbers.choice((0, random_numbers.randint(1, 3000)))
    # A rank that is alone has nobody who could give it up when it is stopped.
    kinds = KINDS if ranks > 1 else [kind for kind in KINDS if kind != "stop"]
    return (random_numbers.randrange(ranks), step, place, random_numbers.choice(kinds), delay)


class Chaos:
    def __init__(self, options, scratch):
        self.options = options
        self.scratch = scratch
        self.log = os.path.join(scratch, "log")
        self.counts = collections.Counter()
        self.expected = None
        self.problems = []

    def launch(self, ranks, folders, fault=None):
        """Exit code and fingerprints by folder; a hung launch is ended, with all of its processes."""
        environment = dict(os.environ, LOCKSTEP_TIMEOUT=str(STOP_DEADLINE), CHAOS_LOG=self.log,
                           TMPDIR=self.scratch)
        environment.pop("CHAOS_FAULT", None)
        if fault:
            environment["CHAOS_FAULT"] = " ".join(map(str, fault))
        command = [self.options.mpirun, "--allow-run-as-root", "--bind-to", "none", "--oversubscribe",
                   "--mca", "orte_abort_timeout", "2", "-np", str(ranks), self.options.program, *folders]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   start_new_session=True)
        try:
            out, err = process.communicate(timeout=LAUNCH_DEADLINE)
        except subprocess.TimeoutExpired:
            self.counts["hung"] += 1
            self.problems.append(f"hung: {ranks} ranks, fault {fault}")
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None, {}, ""
        lines = [line.split() for line in out.splitlines() if line.startswith(self.scratch)]
        return process.returncode, {name: value for name, value in lines}, err

    def struck(self):
        """What the fault found, from the log; nothing where it never struck."""
        if not os.path.exists(self.log):
            return None
        with open(self.log, encoding="utf8") as file:
            line = file.read().split()
        os.remove(self.log)
        return line

    def count(self, fault):
        found = self.struck()
        if found is None:
            self.counts["missed"] += 1  # a later step than the run had left, or no such rank
            return False
        _, place, kind = found
        self.counts["faults"] += 1
        self.counts[kind] += 1
        self.counts["at " + place] += 1
        self.counts["in saves"] += place in IN_SAVES
        self.counts["in collectives"] += place in IN_COLLECTIVES
        return True

    def judge(self, folder, results, fault, err):
        if results.get(folder) == self.expected:
            self.counts["equal"] += 1
        else:
            self.problems.append(f"after {fault}: {results.get(folder)}, not {self.expected}\n{err}")
        shutil.rmtree(folder, ignore_errors=True)

    def undisturbed(self):
        folder = os.path.join(self.scratch, "undisturbed")
        code, results, err = self.launch(1, [folder])
        if code != 0 or folder not in results:
            sys.exit(f"the undisturbed run ended with {code}:\n{err}")
        self.expected = results[folder]

    def run(self):
        self.undisturbed()
        numbers = random.Random(self.options.seed)
        end = time.monotonic() + 60 * self.options.minutes
        waiting = None  # the folder of the run that was struck last, and by what
        number = 0
        while self.counts["faults"] < self.options.faults and time.monotonic() < end:
            number += 1
            ranks = numbers.randint(1, 4)
            fault = random_fault(numbers, ranks)
            folder = os.path.join(self.scratch, f"run-{number}")
            folders = ([waiting[0]] if waiting else []) + [folder]
            code, results, err = self.launch(ranks, folders, fault)
            if waiting:
                self.judge(waiting[0], results, waiting[1], err)
            was_struck = self.count(fault)
            if was_struck and code == 0:
                self.problems.append(f"{fault} struck, yet the launch ended with 0")
            if not was_struck and code != 0:
                self.problems.append(f"no fault, yet the launch ended with {code}:\n{err}")
            waiting = (folder, fault) if was_struck else None
        if waiting:
            _, results, err = self.launch(numbers.randint(1, 4), [waiting[0]])
            self.judge(waiting[0], results, waiting[1], err)


def main():
    options = parsed(sys.argv[1:])
    before = left_behind()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        chaos = Chaos(options, scratch)
        chaos.run()
        inside = [name for name in os.listdir(scratch) if name.startswith(("vader", "lockstep"))]
    left = [name for name in sorted(left_behind() - before) if not is_in_use(name)] + inside
    counts = chaos.counts
    summary = {"seed": options.seed, "seconds": round(time.monotonic() - begin),
               "stop_deadline_seconds": STOP_DEADLINE, **dict(sorted(counts.items())),
               "hung": counts["hung"], "left_behind": left, "problems": chaos.problems}
    text = json.dumps(summary, indent=2)
    print(text)
    if options.summary:
        with open(options.summary, "w", encoding="utf8") as file:
            file.write(text + "\n")
    good = (not chaos.problems and not left and counts["equal"] == counts["faults"] > 0
            and counts["in saves"] * 10 >= counts["faults"]
            and counts["in collectives"] * 10 >= counts["faults"])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
