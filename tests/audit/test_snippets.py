"""Every snippet in README and docs works; see `snippets` for what is asked of each kind."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from snippets import same, snippets

from supa.tools.cli import make_parser

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
IDS = [str(page.relative_to(ROOT)) for page in PAGES]


def environment():
    paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    programs = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PATH": os.pathsep.join(programs)}


def run_python(source, folder):
    script = folder / "snippet.py"
    script.write_text(source)
    return subprocess.run([sys.executable, str(script)], cwd=ROOT, env=environment(), capture_output=True, text=True)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_python_runs(page, tmp_path):
    blocks = snippets(page, ROOT)
    for block in blocks:
        if block.words[:1] == ("python",):
            compile(block.text, block.place, "exec")
    source = "\n".join(block.text for block in blocks if block.kind == "python")
    if source:
        ended = run_python(source, tmp_path)
        assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_console_is_as_shown(page):
    for block in snippets(page, ROOT):
        if block.kind == "console test":
            for command, expected in block.commands:
                ended = subprocess.run(command, shell=True, cwd=ROOT, env=environment(), capture_output=True, text=True)
                assert same(expected, ended.stdout + ended.stderr), f"{block.place}: {command}\n{ended.stdout}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_exist(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in snippets(page, ROOT):
        if block.words[:1] == ("console",):
            for command, _ in block.commands:
                words = shlex.split(command, comments=True)
                if words[:1] == ["make"]:
                    assert set(words[1:]) <= targets, f"{block.place}: {command}"
                elif words[:1] == ["supa"] and words[1:] not in (["--help"], ["--version"]):
                    make_parser().parse_args(words[1:])


def test_a_page_is_cut_into_its_blocks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# T\n```python\nx = 1\n```\ntext\n```console test\n$ echo a\na\n$ echo b\n```\n```\nplain\n```\n")
    first, second, third = snippets(page, tmp_path)
    assert (first.kind, first.text, first.place) == ("python", "x = 1\n", "page.md:2")
    assert second.commands == [("echo a", "a\n"), ("echo b", "")]
    assert third.kind == ""


def test_a_broken_snippet_is_caught(tmp_path):
    assert run_python("raise SystemExit(3)", tmp_path).returncode == 3
    assert same("a ... c\n", "a b b c\n")
    assert not same("a ... c\n", "a b b d\n")
    assert not same("", "surprise")
