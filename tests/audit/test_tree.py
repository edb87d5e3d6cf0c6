"""Rules of the tree: file sizes, file names, no path of one machine."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 600
SOURCES = (".py", ".cpp", ".h")
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "impl"}
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root|farm|tmp)/[A-Za-z.]")


def tree() -> list[Path]:
    """Files of the repository: tracked ones and new ones that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def sources() -> list[Path]:
    return [path for path in tree() if path.suffix in SOURCES]


def too_long(text: str) -> bool:
    return text.count("\n") > LONGEST


def vague(path: Path) -> bool:
    return bool(VAGUE & set(path.stem.lower().split("_"))) or path.stem.startswith("new_") or path.stem.endswith("2")


def test_no_file_is_too_long():
    assert [str(path.relative_to(ROOT)) for path in sources() if too_long(path.read_text())] == []


def test_no_file_has_a_vague_name():
    assert [str(path.relative_to(ROOT)) for path in sources() if vague(path)] == []


def test_no_path_of_one_machine():
    found = []
    for path in tree():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in MACHINE_PATH.finditer(text)]
    assert found == []


def test_every_module_opens_with_words():
    package = ROOT / "src" / "supa"
    assert [str(path) for path in sorted(package.rglob("*.py")) if not path.read_text().startswith('"""')] == []


@pytest.mark.parametrize("name", ["utils.py", "string_helpers.py", "device_manager.py", "new_lexer.py", "pass2.py"])
def test_a_vague_name_is_caught(name):
    assert vague(Path(name))


def test_a_long_file_and_a_machine_path_are_caught():
    assert too_long("x\n" * (LONGEST + 1))
    assert not too_long("x\n" * LONGEST)
    assert MACHINE_PATH.search("see " + "/".join(["", "root", "notes"]))
    assert not MACHINE_PATH.search("std::tmp/x and https://host.example/a/tmp/x")
