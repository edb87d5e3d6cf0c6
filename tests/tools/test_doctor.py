"""`supa doctor`: a list that says what is there, what is missing, and whether that matters."""

from importlib import metadata

import pytest

from supa.tools import doctor
from supa.tools.cli import main


def findings(capsys):
    return {line.split("  ")[0].strip(): line for line in capsys.readouterr().out.splitlines()}


def test_a_sound_installation_is_found_sound(capsys):
    assert main(["doctor"]) == 0
    found = findings(capsys)
    assert metadata.version("numpy") in found["numpy"]
    assert "h100-sxm" in found["catalogue"] and "bit registers" in found["vector units"]
    assert not [line for line in found.values() if " bad " in line]


def test_another_driver_of_triton_is_told(capsys, monkeypatch):
    monkeypatch.setattr("supa.jit.triton_backend.neighbours.other_drivers", lambda: ["nvidia"])
    monkeypatch.delenv("SUPA_DEVICE", raising=False)
    monkeypatch.delenv("TRITON_DEFAULT_BACKEND", raising=False)
    assert main(["doctor"]) == 0
    assert "nvidia has a device" in findings(capsys)["Triton driver"]


def test_a_missing_package_and_a_broken_check_are_told(capsys, monkeypatch):
    def broken():
        raise RuntimeError("it fell over")
        yield

    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "no-such-package"))
    monkeypatch.setattr(doctor, "_CHECKS", (doctor._versions, broken))
    assert main(["doctor"]) == 1
    found = findings(capsys)
    assert "bad" in found["no-such-package"] and "RuntimeError: it fell over" in found["broken"]


def test_a_cache_that_can_not_be_written_is_bad(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(doctor.os, "access", lambda path, how: False)
    assert main(["doctor"]) == 1
    assert "set TRITON_CACHE_DIR" in findings(capsys)["kernel cache"]


@pytest.mark.parametrize(
    ("bf16", "int8", "offered", "state", "words"),
    [
        (True, True, True, "ok", "AMX, for products of bf16 and int8"),
        (True, False, True, "ok", "AMX, for products of bf16"),
        (False, False, True, "note", "does not grant it"),
        (False, False, False, "ok", "no AMX"),
    ],
)
def test_whether_amx_is_used(bf16, int8, offered, state, words):
    found, told = doctor._matrix_units(bf16, int8, offered)
    assert found == state and words in told
