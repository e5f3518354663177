#!/usr/bin/env python3
"""Prints the sources that clang-tidy should read, one a line; it does not read CUDA's.

usage: tidy_sources.py BUILD [REV]

Without REV: all that BUILD compiles. With REV: the sources changed since then and, for every changed
header, one source that includes it.
"""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def output(*command):
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def compiled_sources(build):
    """Paths, relative to the root, of our own sources in the compilation database."""
    entries = json.loads((ROOT / build / "compile_commands.json").read_text())
    files = {pathlib.Path(entry["directory"], entry["file"]).resolve() for entry in entries}
    ours = {file.relative_to(ROOT) for file in files if file.is_relative_to(ROOT)}
    return sorted(str(file) for file in ours if file.suffix == ".cpp" and not str(file).startswith("build/"))


def includers(build):
    """{header: sources that include it}, from what ninja recorded while building."""
    found = {}
    source = None
    for line in output("ninja", "-C", build, "-t", "deps").splitlines():
        path = line.strip()
        if not line.startswith(" "):
            source = None
            continue
        file = pathlib.Path(ROOT, build, path).resolve()
        if not file.is_relative_to(ROOT):
            continue
        name = str(file.relative_to(ROOT))
        if source is None:
            source = name
        else:
            found.setdefault(name, []).append(source)
    return found


def changed_since(revision):
    tracked = output("git", "diff", "--name-only", "--diff-filter=d", revision)
    new = output("git", "ls-files", "--others", "--exclude-standard")
    return set(tracked.split() + new.split())


def closest(header, sources):
    """The source of the same name where there is one: it most likely uses the whole header."""
    stem = pathlib.Path(header).stem
    return min(sources, key=lambda s: (pathlib.Path(s).stem != stem, s.startswith("tests/"), s))


def main():
    build = sys.argv[1]
    sources = compiled_sources(build)
    if len(sys.argv) > 2:
        changed = changed_since(sys.argv[2])
        chosen = changed & set(sources)
        for header, users in includers(build).items():
            users = set(users) & set(sources)
            if header in changed and users and not users & chosen:
                chosen.add(closest(header, users))
        sources = sorted(chosen)
    print("\n".join(sources))


if __name__ == "__main__":
    main()
