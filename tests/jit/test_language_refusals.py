"""What this device refuses, word for word (`refusals.txt`), and that each place in the source that refuses has a case.

`SUPA_WRITE_REFUSALS=1 pytest tests/jit/test_language_refusals.py` writes the texts anew.
"""

import ast
import os
import re
import traceback
from pathlib import Path

import pytest
from refusal_cases import CASES, ENVIRONMENT

import supa

GOLDEN = Path(__file__).parent / "refusals.txt"
SOURCE = Path(supa.__file__).parent
WATCHED = ("compiler", "jit")
ERRORS = (
    "UnsupportedError",
    "CompileError",
    "LaunchError",
    "DeviceError",
    "TypeError",
    "ValueError",
    "OptionError",
    "refuse",
    "fail",
)
INTERNAL = {
    "compiler/ttir/conversion.py: two rules for": "found when the package is imported",
    "compiler/ttir/conversion.py: a tensor descriptor that is chosen": "Triton's own passes leave no poison of them",
    "compiler/work/walker.py: no work is known": "the registry of work is complete: tests/audit",
    "compiler/work/products.py: no matrix engine multiplies": "a product of such operands is refused before",
    "compiler/native/atomics.py: atomic operation": "the verifier knows the kinds",
    "compiler/native/tiles.py: an access or effect": "Triton's front end refuses it in a reduction",
    "compiler/passes/regions.py:  in an element-wise function": "Triton's front end refuses it in tl.map_elementwise",
    "compiler/ttir/cursor.py: ": "Triton's printer writes what is read here",
    "compiler/ttir/values.py: ": "Triton's printer writes what is read here",
    "compiler/ttir/attributes.py: ": "Triton's printer writes what is read here",
    "compiler/ttir/types.py: ": "Triton's printer writes what is read here",
    "compiler/ttir/mlir.py: ": "Triton's printer writes what is read here",
    "compiler/ttir/locations.py: ": "Triton's printer writes what is read here",
    "compiler/passes/regions.py: a pointer carried by": "Triton's front end refuses pointers in tl.map_elementwise",
}
"""Place (file, start of the text) -> why no user can get there."""


def refused(name, monkeypatch):
    """The error of a case."""
    for key, value in ENVIRONMENT[name].items():
        monkeypatch.setenv(key, value)
    try:
        CASES[name]()
    except Exception as error:
        return error
    raise AssertionError(f"{name}: nothing was refused")


def innermost(error):
    """The error that started it: Triton wraps what its front end meets."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def shown(error):
    """The kind of an error and its text, without folders and addresses."""
    text = re.sub(r"(?:/[\w.+-]+)+/([\w.-]+)", r"\1", str(error))
    text = re.sub(r"in use: .*", "in use: ...", re.sub(r"; \d+ are in use", "", text))
    return f"{type(error).__name__}: {text}"


def entries():
    found = re.split(r"^## (.*)\n", GOLDEN.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], (text.rstrip("\n") for text in found[1::2]), strict=True))


def frames(error):
    """The places that an error passed."""
    return {(Path(frame.filename).resolve(), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)}


@pytest.fixture(scope="module")
def raised_at():
    """By case, every place that its error passed."""
    return {}


@pytest.mark.parametrize("name", sorted(CASES))
def test_what_is_refused_says_so_in_these_words(on_device, monkeypatch, raised_at, name):
    on_device(mode="execute")
    error = innermost(refused(name, monkeypatch))
    raised_at[name] = frames(error)
    if os.environ.get("SUPA_WRITE_REFUSALS"):
        known = {**(entries() if GOLDEN.exists() else {}), name: shown(error)}
        GOLDEN.write_text("\n".join(f"## {key}\n{known[key]}\n" for key in sorted(known) if key in CASES))
    assert entries()[name] == shown(error)


def test_no_text_is_kept_for_a_case_that_is_gone():
    assert set(entries()) == set(CASES)


def test_every_text_names_what_was_found_or_what_to_do():
    for name, text in entries().items():
        assert len(text.split()) >= 6, name


def literal(node):
    """The fixed words at the start of a message, as far as there are some."""
    parts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return max(parts, key=len, default="")


def places(path):
    """The statements of a file that refuse something: (first line, last line, fixed words)."""
    tree = ast.parse(path.read_text())
    for owner in ast.walk(tree):
        if not isinstance(owner, ast.FunctionDef) or owner.name in ("refuse", "fail", "_located"):
            continue
        for node in owner.body:
            yield from _in(node)


def _in(node):
    for part in ast.walk(node):
        call = part.exc if isinstance(part, ast.Raise) else part.value if isinstance(part, ast.Expr) else None
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in ERRORS and (isinstance(part, ast.Raise) or name in ("refuse", "fail")):
            yield part.lineno, part.end_lineno, literal(call)


def test_each_place_that_refuses_has_a_case(on_device, monkeypatch, raised_at):
    on_device(mode="execute")
    for name in CASES.keys() - raised_at.keys():  # where this test is run alone
        with monkeypatch.context() as patches:
            raised_at[name] = frames(innermost(refused(name, patches)))
    passed = set().union(*raised_at.values())
    missing, unused = [], set(INTERNAL)
    for floor in WATCHED:
        for path in sorted((SOURCE / floor).rglob("*.py")):
            lines = {line for file, line in passed if file == path.resolve()}
            for first, last, words in set(places(path)):
                place = f"{path.relative_to(SOURCE).as_posix()}: {words}"
                known = {key for key in INTERNAL if _belongs(key, place)}
                unused -= known
                if not known and not any(first <= line <= last for line in lines):
                    missing.append(f"{place} (line {first})")
    assert not missing and not unused, (missing, unused)


def _belongs(key, place):
    file, _, words = key.partition(": ")
    return place.startswith(f"{file}: ") and words in place


def test_a_place_without_a_case_would_be_seen(tmp_path):
    source = tmp_path / "new.py"
    source.write_text('def f(x):\n    if x:\n        raise UnsupportedError(f"{x} is new", x)\n    g.refuse(x, "no")\n')
    assert sorted(places(source)) == [(3, 3, " is new"), (4, 4, "no")]
