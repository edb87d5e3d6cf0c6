"""`supa doctor`: a list that says what is there, what is missing, and whether that matters."""

from importlib import metadata

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
