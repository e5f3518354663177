#!/usr/bin/env python3
"""A run that is killed leaves namespaces and processes behind, and the next run removes them."""

import pathlib
import subprocess
import sys
import time

from network import PREFIX, Network, NotPermitted, namespaces

SECONDS = 20


def wait_for(what, condition):
    end = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"{what} not after {SECONDS} s; namespaces: {namespaces()}")
        time.sleep(0.05)


def is_alive(pid):
    return pathlib.Path(f"/proc/{pid}").exists()


def main():
    try:
        with Network(1):
            pass
    except NotPermitted as error:
        print(f"skipped: no network namespaces can be made here: {error}", file=sys.stderr)
        return 77

    script = pathlib.Path(__file__).with_name("on_hosts.py")
    program = ["sh", "-c", "echo $$; exec sleep 1000"]
    killed = subprocess.Popen([script, "--layout", "1,1", *program], stdout=subprocess.PIPE, text=True)
    ranks = [int(killed.stdout.readline()) for _ in range(2)]
    killed.kill()
    killed.wait()
    own = f"{PREFIX}{killed.pid}-"
    if not any(name.startswith(own) for name in namespaces()):
        sys.exit("the killed run left nothing: the test shows nothing")
    with Network(1):
        wait_for("the namespaces are gone",
                 lambda: not any(name.startswith(own) for name in namespaces()))
        wait_for("the ranks are gone", lambda: not any(map(is_alive, ranks)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
