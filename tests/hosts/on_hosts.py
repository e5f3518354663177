#!/usr/bin/env python3
"""Runs a program under mpirun on several hosts, which are network namespaces of this machine.

usage: on_hosts.py [--layout 2,2] [--by-node] [--env NAME=VALUE] [--timeout SECONDS]
                   [--mpirun PATH] PROGRAM [ARGUMENT...]

--layout gives the ranks of each host, --by-node deals them out like cards. MPI speaks TCP. The exit
code is the program's; 124 after the timeout; 77 where this machine permits no namespaces.
"""

import argparse
import ctypes
import os
import shlex
import signal
import subprocess
import sys

from network import Network, NotPermitted

# A partition is noticed after about 9 seconds.
KEEPALIVE = {"oob_tcp_keepalive_time": 3, "oob_tcp_keepalive_intvl": 1,
             "oob_tcp_keepalive_probes": 6}


def parsed(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layout", default="2,2")
    parser.add_argument("--by-node", action="store_true")
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--mpirun", default="mpirun")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args(arguments)


def mpirun(network, layout, options):
    """The command that starts the ranks, to be run on the first host."""
    hosts = network.scratch / "hostfile"
    hosts.write_text("".join(f"{address} slots={slots}\n"
                             for address, slots in zip(network.addresses, layout)))
    settings = {"plm_rsh_agent": network.agent(), "btl": "self,tcp",
                "btl_tcp_if_include": network.subnet, "oob_tcp_if_include": network.subnet,
                "orte_tmpdir_base": network.scratch, "orte_abort_timeout": 5, "mpi_yield_when_idle": 1, **KEEPALIVE}
    command = [options.mpirun, "--allow-run-as-root", "--bind-to", "none",
               "--hostfile", hosts, "-np", sum(layout)]
    command += ["--map-by", "node" if options.by_node else "slot"]
    for name, value in settings.items():
        command += ["--mca", name, value]
    for variable in options.env:
        command += ["-x", variable]
    return shlex.join(map(str, command + options.command))


def ends_with_me():
    """A killed script takes mpirun with it; the next run removes the rest."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def run(network, options):
    layout = [int(ranks) for ranks in options.layout.split(",")]
    command = network.command_on(0, "exec " + mpirun(network, layout, options))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=ends_with_me)
    try:
        return process.wait(options.timeout)
    except subprocess.TimeoutExpired:
        print(f"on_hosts.py: not finished after {options.timeout:g} s", file=sys.stderr)
        return 124
    finally:
        process.kill()
        process.wait()


def stop(*_):
    raise KeyboardInterrupt


def main(arguments):
    options = parsed(arguments)
    signal.signal(signal.SIGTERM, stop)
    # Open MPI keeps some of its memory to the end of the process.
    os.environ["ASAN_OPTIONS"] = "detect_leaks=0:" + os.environ.get("ASAN_OPTIONS", "")
    try:
        with Network(len(options.layout.split(","))) as network:
            return run(network, options)
    except NotPermitted as error:
        print(f"skipped: no network namespaces can be made here: {error}", file=sys.stderr)
        return 77
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
