#!/usr/bin/env python3
"""Every C++ snippet of the documentation stands, line for line, in a compiled example.

usage: scripts/check_snippets.py [ROOT]
A ```cpp block must be a run of consecutive lines (indentation aside) of a file in examples/.
"""

import pathlib
import re
import sys

BLOCK = re.compile(r"^```cpp\n(.*?)^```", re.MULTILINE | re.DOTALL)


def lines_of(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def stands_in(snippet: list[str], source: list[str]) -> bool:
    last = len(source) - len(snippet)
    return any(source[i : i + len(snippet)] == snippet for i in range(last + 1))


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    sources = [lines_of(file.read_text()) for file in sorted((root / "examples").rglob("*.cpp"))]
    count, strays = 0, []
    for page in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        text = page.read_text()
        if page.is_relative_to(root / "docs" / "dev"):
            continue  # recipes for the library's own sources
        for block in BLOCK.finditer(text):
            count += 1
            if not any(stands_in(lines_of(block.group(1)), source) for source in sources):
                strays.append(f"{page.relative_to(root)}:{text.count(chr(10), 0, block.start()) + 1}")
    for stray in strays:
        print(f"{stray}: this snippet is in no example; quote consecutive lines of examples/*.cpp")
    print(f"{count} snippets, {len(strays)} of them in no example")
    return 1 if strays or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
