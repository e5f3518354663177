#!/usr/bin/env python3
"""Checks that no file includes a layer that cmake/layers.txt does not allow it.

usage: check_layers.py [ROOT]
"""

import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*["<]((?:lockstep|src|kernels|tests)/[^">]+)[">]')
SUFFIXES = {".h", ".cpp", ".cu", ".cuh"}


def read_table(path):
    """{layer: set of layers that it may include, itself among them}."""
    table = {}
    for line in path.read_text().splitlines():
        layer, _, below = line.partition(":")
        if below.strip() == "(all)":
            continue
        unknown = [name for name in below.split() if name not in table]
        if unknown:
            raise SystemExit(f"{path}: {layer} names {', '.join(unknown)}, which no line above defines")
        table[layer] = {layer, *below.split()}
    return table


def layer_of_include(target, table):
    """The layer that an included path belongs to; None for what anybody may include."""
    parts = target.split("/")
    if parts[0] == "kernels":
        return "kernels"
    if parts[0] == "tests":
        return None if parts[1] == "support" else "tests"
    if len(parts) == 2:
        return {"version.h": "base"}.get(parts[1], "programs")  # lockstep.h: everything
    return parts[1]


def layer_folders(root, table):
    """(folder, layer) of all that belongs to a layer."""
    for layer in table:
        for place in ("include/lockstep", "src", "tests"):
            yield root / place / layer, layer
    yield root / "kernels", "kernels"


def violations(root):
    table = read_table(root / "cmake/layers.txt")
    for place in ("include/lockstep", "src"):
        for folder in sorted(p for p in (root / place).glob("*") if p.is_dir()):
            if folder.name not in table and folder.name != "programs":
                yield f"{folder.relative_to(root)}: no layer of this name in cmake/layers.txt"
    for folder, layer in layer_folders(root, table):
        for file in sorted(p for p in folder.rglob("*") if p.suffix in SUFFIXES):
            for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
                match = INCLUDE.match(line)
                used = match and layer_of_include(match[1], table)
                if used and used not in table[layer]:
                    yield (f"{file.relative_to(root)}:{number}: layer {layer} may not include "
                           f"{match[1]} (layer {used}); it may include "
                           f"{' '.join(sorted(table[layer]))}")


def main():
    here = pathlib.Path(__file__).resolve().parent.parent
    found = list(violations(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here))
    print("\n".join(found) if found else "check_layers: every include stays within its layers")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
