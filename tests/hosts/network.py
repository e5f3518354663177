"""Hosts made of network namespaces of this machine, joined by a switch in a namespace of its own.

Nothing of the machine's own network is touched. The names hold the number of the process that made
them, so that the next run finds and removes what a killed one left.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

PREFIX = "lockstep"
SUBNET = "10.211.97"


class NotPermitted(Exception):
    """Namespaces cannot be made here."""


def ip(*arguments):
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


def namespaces():
    return [line.split()[0] for line in ip("netns", "list").splitlines() if line.strip()]


def remove(namespace):
    """Ends whatever still runs in the namespace, and removes it."""
    pids = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True).stdout
    for pid in pids.split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass
    subprocess.run(["ip", "netns", "delete", namespace], capture_output=True)


def scratch_of(pid):
    return pathlib.Path(tempfile.gettempdir()) / f"{PREFIX}-hosts-{pid}"


def is_running(pid):
    try:
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"tests/hosts" in command or b"on_hosts" in command


def remove_leftovers():
    """Of runs that were killed."""
    owned = re.compile(rf"{PREFIX}(\d+)-\w+$")
    for namespace in namespaces():
        owner = owned.match(namespace)
        if owner and not is_running(owner[1]):
            remove(namespace)
    for scratch in pathlib.Path(tempfile.gettempdir()).glob(f"{PREFIX}-hosts-*"):
        if not is_running(scratch.name.rsplit("-", 1)[1]):
            shutil.rmtree(scratch, ignore_errors=True)


class Network:
    """`with Network(2) as network:` makes two hosts, and removes them at the end."""

    def __init__(self, hosts):
        self.names = [f"{PREFIX}{os.getpid()}-h{i}" for i in range(hosts)]
        self.addresses = [f"{SUBNET}.{i + 1}" for i in range(hosts)]
        self.subnet = f"{SUBNET}.0/24"
        self.switch = f"{PREFIX}{os.getpid()}-switch"
        self.scratch = scratch_of(os.getpid())
        # A host has a core, so that its ranks know when they share one and give it away.
        cores = sorted(os.sched_getaffinity(0))
        self.cores = [cores[i % len(cores)] for i in range(hosts)]

    def __enter__(self):
        remove_leftovers()
        try:
            ip("netns", "add", self.switch)
        except (subprocess.CalledProcessError, OSError) as error:
            raise NotPermitted(getattr(error, "stderr", None) or str(error)) from error
        try:
            self.scratch.mkdir()
            ip("-n", self.switch, "link", "add", "bridge", "type", "bridge")
            ip("-n", self.switch, "link", "set", "bridge", "up")
            for i, name in enumerate(self.names):
                self._add_host(i, name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _add_host(self, i, name):
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "link", "add", "eth0", "type", "veth",
           "peer", "name", f"port{i}", "netns", self.switch)
        ip("-n", name, "address", "add", f"{self.addresses[i]}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", self.switch, "link", "set", f"port{i}", "master", "bridge", "up")

    def __exit__(self, *_):
        for namespace in [*self.names, self.switch]:
            remove(namespace)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def command_on(self, host, command):
        """The arguments that run the shell command on that host, under its host name."""
        name = self.names[host]
        return ["ip", "netns", "exec", name, "taskset", "-c", str(self.cores[host]),
                "unshare", "--uts", "sh", "-c", f"hostname {name}; {command}"]

    def agent(self):
        """A stand-in for ssh: a script that takes a host's address and the command to run there."""
        cases = "".join(f"  {address}) name={name} core={core} ;;\n"
                        for address, name, core in zip(self.addresses, self.names, self.cores))
        script = self.scratch / "agent"
        script.write_text('#!/bin/sh\naddress=$1\nshift\ncase $address in\n' + cases +
                          '  *) echo "no host $address" >&2; exit 1 ;;\nesac\n'
                          'exec ip netns exec "$name" taskset -c "$core" unshare --uts '
                          'sh -c "hostname $name; $*"\n')
        script.chmod(0o755)
        return script
