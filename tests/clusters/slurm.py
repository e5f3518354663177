#!/usr/bin/env python3
"""usage: slurm.py COMMAND [ARGUMENT...]

Runs the command inside a Slurm cluster of this one machine: its own munged, slurmctld and slurmd, on
free ports of the loopback interface, with all their files in a scratch folder. All of it is gone when
the command ends. The command finds its cluster through SLURM_CONF. Exit code 77 where Slurm is not
installed or this is not root.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SECONDS_TO_START = 60
DAEMONS = ("munged", "slurmctld", "slurmd")


def path_of(program):
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def configuration(scratch):
    controller, daemon = free_ports(2)
    host = socket.gethostname().split(".")[0]
    return f"""
ClusterName=lockstep
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={controller}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={scratch}/munge.socket
CredType=cred/munge
StateSaveLocation={scratch}/state
SlurmdSpoolDir={scratch}/spool
SlurmctldPidFile={scratch}/slurmctld.pid
SlurmdPidFile={scratch}/slurmd.pid
SlurmctldLogFile={scratch}/slurmctld.log
SlurmdLogFile={scratch}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SelectType=select/cons_tres
NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:8
"""


def fail(scratch, what):
    for log in sorted(scratch.glob("*.log")):
        sys.stderr.write(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}\n")
    sys.exit(f"slurm.py: {what}")


class Cluster:
    def __init__(self, scratch):
        self.scratch = scratch
        self.daemons = []
        self.environment = os.environ | {"SLURM_CONF": str(scratch / "slurm.conf")}

    def start(self):
        (self.scratch / "slurm.conf").write_text(configuration(self.scratch))
        (self.scratch / "state").mkdir()
        (self.scratch / "spool").mkdir()
        key = self.scratch / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        munge = {name: self.scratch / f"munge.{name}" for name in ("socket", "log", "pid", "seed")}
        self.daemon("munged", "--foreground", "--force", f"--key-file={key}",
                    f"--socket={munge['socket']}", f"--log-file={munge['log']}",
                    f"--pid-file={munge['pid']}", f"--seed-file={munge['seed']}")
        self.wait_for(munge["socket"].exists, "munged is not up")
        self.daemon("slurmctld", "-D", "-c", "-f", self.environment["SLURM_CONF"])
        self.daemon("slurmd", "-D", "-c", "-f", self.environment["SLURM_CONF"])
        self.wait_for(self.is_idle, "the node is not idle")

    def daemon(self, name, *arguments):
        log = open(self.scratch / f"{name}.out.log", "wb")
        self.daemons.append(subprocess.Popen(
            [path_of(name), *arguments], env=self.environment, stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True))

    def is_idle(self):
        answer = subprocess.run(["sinfo", "--noheader", "--format=%T"], env=self.environment,
                                capture_output=True, text=True)
        return answer.stdout.strip() == "idle"

    def wait_for(self, condition, complaint):
        end = time.monotonic() + SECONDS_TO_START
        while not condition():
            if time.monotonic() > end or any(each.poll() is not None for each in self.daemons):
                fail(self.scratch, complaint)
            time.sleep(0.1)

    def stop(self):
        for each in reversed(self.daemons):
            each.terminate()
        for each in reversed(self.daemons):
            try:
                each.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(each.pid, signal.SIGKILL)
                each.wait()


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    missing = [name for name in (*DAEMONS, "srun") if path_of(name) is None]
    if missing or os.geteuid() != 0:
        print("SKIPPED: " + (f"not installed: {', '.join(missing)}" if missing else "this is not root"))
        sys.exit(77)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="lockstep-slurm-"))
    scratch.chmod(0o755)
    cluster = Cluster(scratch)
    try:
        cluster.start()
        sys.exit(subprocess.run(sys.argv[1:], env=cluster.environment).returncode)
    finally:
        cluster.stop()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
