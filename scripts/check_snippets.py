#!/usr/bin/env python3
"""Every C++ snippet of the documentation stands, line for line, in code that is compiled, and every file that it
names exists.

usage: scripts/check_snippets.py [ROOT]
A ```cpp block must be a run of consecutive lines (indentation aside) of a file in examples/; on the pages for
developers, docs/dev, of any source.
"""

import pathlib
import re
import sys

BLOCK = re.compile(r"^ *```cpp\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r'`"?((?:benchmarks|cmake|docs|examples|include|kernels|scripts|src|tests)/[\w./-]+)"?`')
FOLDERS = {"examples": ("examples",), "sources": ("examples", "include", "kernels", "src", "tests")}


def lines_of(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def stands_in(snippet: list[str], source: list[str]) -> bool:
    last = len(source) - len(snippet)
    return any(source[i : i + len(snippet)] == snippet for i in range(last + 1))


def code_in(root: pathlib.Path, kind: str) -> list[list[str]]:
    files = [file for folder in FOLDERS[kind] for file in sorted((root / folder).rglob("*"))]
    return [lines_of(file.read_text()) for file in files if file.suffix in {".cpp", ".h", ".cu", ".cuh"}]


def line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def missing_files(root: pathlib.Path, text: str) -> list[tuple[int, str]]:
    """Lines and names; a public header may be named by its layer."""
    found = [(line_of(text, each.start()), each.group(1)) for each in NAMED.finditer(text)]
    folders = [root, root / "include/lockstep"]
    return [(line, name) for line, name in found if not any((folder / name).exists() for folder in folders)]


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    code = {kind: code_in(root, kind) for kind in FOLDERS}
    count, strays = 0, []
    for page in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        text = page.read_text()
        kind = "sources" if page.is_relative_to(root / "docs" / "dev") else "examples"
        for block in BLOCK.finditer(text):
            count += 1
            if not any(stands_in(lines_of(block.group(1)), source) for source in code[kind]):
                where = f"{page.relative_to(root)}:{line_of(text, block.start())}"
                strays.append(f"{where}: this snippet is in no file of {', '.join(FOLDERS[kind])}; quote one")
        for line, name in missing_files(root, text):
            strays.append(f"{page.relative_to(root)}:{line}: {name} does not exist")
    for stray in strays:
        print(stray)
    print(f"{count} snippets, {len(strays)} mistakes")
    return 1 if strays or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
