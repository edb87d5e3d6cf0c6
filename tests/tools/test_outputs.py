"""Output files: refused before the run where they can not be written, whole or not there, each for itself."""

import os
import signal
import subprocess
import sys
import time

import pytest

from supa.tools.cli import main
from supa.tools.outputs import OutputError, check_outputs, write_all


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["--json", "x.json", "--trace", "./x.json"], "--trace x.json: --json writes there too"),
        (["--report", "other.py"], "that is a Python program"),
        (["--trace", "missing/t.json"], "--trace missing/t.json: can not be written"),
        (["--report", "."], "--report .: can not be written"),
    ],
)
def test_wrong_paths_are_refused_before_the_run(tmp_path, monkeypatch, capsys, line, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text("print('ran')")
    assert main(["run", *line, "script.py"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and told in err
    assert os.listdir(tmp_path) == ["script.py"]


def test_devices_that_are_no_files_may_be_given_twice():
    from pathlib import Path

    check_outputs({"--json": Path(os.devnull), "--trace": Path(os.devnull)})
    with pytest.raises(OutputError):
        check_outputs({"--json": Path("a.json"), "--trace": Path("a.json")})


def test_one_that_fails_stops_no_other_and_leaves_what_was_there(tmp_path, capsys):
    def failing():
        raise OSError("no space left")

    (tmp_path / "old").write_text("kept")
    assert not write_all({tmp_path / "old": failing, tmp_path / "new": lambda: "written"})
    assert (tmp_path / "old").read_text() == "kept" and (tmp_path / "new").read_text() == "written"
    assert "old: was not written: no space left" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["new", "old"]


@pytest.mark.parametrize(
    ("sent", "code", "told"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_run_that_is_stopped_writes_what_it_has(programs, sent, code, told):
    (programs / "endless.py").write_text(
        (programs / "two.py").read_text() + "\nimport sys, time\nsys.stdout.flush()\ntime.sleep(100)\n"
    )
    name = f"stopped-{code}.json"
    running = subprocess.Popen(
        [sys.executable, "-m", "supa.tools.cli", "run", "--trace", name, "endless.py"],
        cwd=programs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout.readline().startswith("sums")
    time.sleep(0.2)
    running.send_signal(sent)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == code
    assert told in out and "count_kernel" in out
    assert (programs / name).read_text().count('"ph": "X"') == 5
