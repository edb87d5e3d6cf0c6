"""Fenced blocks of the documentation, and how each kind is proven. Not a test.

Kinds, by the words after the fence: ```python is executed, blocks of one page one after another in one namespace;
```python excerpt is only compiled; ```console test runs every `$ ` line in a shell and compares what follows it
("..." stands for anything); in any other ```console the `supa` and `make` commands must at least exist.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```([^\n`]*)\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """One fenced block: the words after the fence, its text, and where it starts."""

    words: tuple[str, ...]
    text: str
    place: str

    @property
    def kind(self) -> str:
        """'python', 'python excerpt', 'console', 'console test' or something else."""
        return " ".join(self.words)

    @property
    def commands(self) -> list[tuple[str, str]]:
        """(command, expected output) of a console block."""
        found: list[tuple[str, str]] = []
        for line in self.text.splitlines(keepends=True):
            if line.startswith("$ "):
                found.append((line[2:].strip(), ""))
            elif found:
                found[-1] = (found[-1][0], found[-1][1] + line)
        return found


def snippets(page: Path, root: Path) -> list[Snippet]:
    """All fenced blocks of a page in order."""
    text = page.read_text()
    return [
        Snippet(
            words=tuple(match[1].split()),
            text=match[2],
            place=f"{page.relative_to(root)}:{text[: match.start()].count(chr(10)) + 1}",
        )
        for match in _BLOCK.finditer(text)
    ]


def same(expected: str, found: str) -> bool:
    """Whether output is as expected, trailing blanks aside; a line or part '...' stands for anything."""
    tidy = [" ".join(text.split()) for text in (expected, found)]
    pattern = ".*".join(re.escape(part) for part in tidy[0].split("..."))
    return re.fullmatch(pattern, tidy[1], re.DOTALL) is not None
