"""The command line: programs run unmodified, the report comes whatever happens, mistakes end in one message."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from supa.runtime import current_device, set_current_device
from supa.tools.cli import main, make_parser

KERNEL = """
import sys
import torch, triton
import triton.language as tl

@triton.jit
def double_kernel(x_ptr, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    tl.store(x_ptr + offsets, tl.load(x_ptr + offsets) * 2)

x = torch.ones(64)
double_kernel[(1,)](x, BLOCK=64)
print("sum", x.sum().item())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for programs that share a kernel cache."""
    return tmp_path_factory.mktemp("programs")


def supa(folder, program, *options, source=KERNEL, arguments=()):
    """Run the command in a process of its own on a program of this source."""
    (folder / program).write_text(textwrap.dedent(source))
    return subprocess.run(
        [sys.executable, "-m", "supa.tools.cli", "run", *options, program, *arguments],
        cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def environment(folder):
    return {**os.environ, "TRITON_CACHE_DIR": str(folder / "kernels")}


def test_a_program_runs_and_the_report_follows(folder):
    ended = supa(folder, "double.py", "--devices", "bili100,h100-sxm", "--json", "report.json")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("sum 128.0\n")
    assert re.search(r"double_kernel +1 +\S+ \ws", ended.stdout)
    written = json.loads((folder / "report.json").read_text())
    assert (written["device"], written["mode"]) == ("bili100", "both")
    [kernel] = written["kernels"]
    assert (kernel["name"], kernel["launches"]) == ("double_kernel", 1)
    assert kernel["device_us"] > 0 and kernel["energy_j"] > 0 and kernel["host_us"] > 0
    assert [entry["device"] for entry in written["predictions"]] == ["h100-sxm"]


def test_the_same_program_runs_under_plain_python(folder):
    (folder / "plain.py").write_text(KERNEL)
    ended = subprocess.run(
        [sys.executable, "plain.py"], cwd=folder, env=environment(folder), capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (0, "sum 128.0\n"), ended.stderr


def test_an_exception_keeps_its_traceback_the_report_and_the_exit_code(folder):
    ended = supa(folder, "broken.py", source=KERNEL + "raise ValueError('mine')")
    assert ended.returncode == 1
    assert "ended by ValueError" in ended.stdout and "double_kernel" in ended.stdout
    trace = ended.stderr.splitlines()
    assert trace[0] == "Traceback (most recent call last):"
    assert "broken.py" in trace[1]  # the program's own line comes first, none of ours before it
    assert trace[-1] == "ValueError: mine"


@pytest.mark.parametrize(
    ("leaving", "code", "told"), [("sys.exit()", 0, ""), ("sys.exit(7)", 7, ""), ("sys.exit('words')", 1, "words")]
)
def test_exit_codes_are_kept(folder, leaving, code, told):
    ended = supa(folder, "leaving.py", "--mode", "execute", source=KERNEL + leaving)
    assert (ended.returncode, ended.stderr.strip()) == (code, told)
    assert "double_kernel" in ended.stdout


def test_ctrl_c_reports_what_has_run(folder):
    (folder / "endless.py").write_text(KERNEL + "sys.stdout.flush()\nimport time\ntime.sleep(100)\n")
    running = subprocess.Popen(
        [sys.executable, "-m", "supa.tools.cli", "run", "endless.py"],
        cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout.readline() == "sum 128.0\n"
    time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "interrupted" in out and "double_kernel" in out


def test_arguments_name_and_path_are_the_programs_own(folder):
    source = "import sys, os\nprint(sys.argv, __name__, os.path.basename(__file__), os.path.basename(sys.path[0]))"
    ended = supa(folder, "who.py", source=source, arguments=["--device", "x", "-v"])
    shown = f"['who.py', '--device', 'x', '-v'] __main__ who.py {folder.name}\n"
    assert ended.stdout.startswith(shown), ended.stderr
    assert "nothing was launched" in ended.stdout


def test_a_forked_child_leaves_report_and_files_to_its_parent(folder):
    source = """
        import os, sys
        child = os.fork()
        if child:
            print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), os.path.exists("forks.json"), flush=True)
        else:
            sys.exit(7)
    """
    ended = supa(folder, "forks.py", "--mode", "execute", "--json", "forks.json", source=source)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("child 7 False\n") and ended.stdout.count("nothing was launched") == 1
    assert (folder / "forks.json").exists()


def test_the_report_waits_for_the_programs_threads(folder):
    source = KERNEL + textwrap.dedent("""
        import threading, time
        def later():
            time.sleep(0.3)
            double_kernel[(1,)](x, BLOCK=64)
        threading.Thread(target=later).start()
    """)
    ended = supa(folder, "threads.py", "--mode", "execute", source=source)
    assert "2 launches of 1 kernel" in ended.stdout, ended.stderr


def test_modules_run_too(folder):
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").write_text("")
    (folder / "package" / "__main__.py").write_text("import sys\nprint('module', sys.argv[1:])")
    ended = subprocess.run(
        [sys.executable, "-m", "supa.tools.cli", "run", "-m", "package", "a"],
        cwd=folder, env=environment(folder), capture_output=True, text=True,
    )  # fmt: skip
    assert ended.stdout.startswith("module ['a']\n"), ended.stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["run", "--device", "bili10", "x.py"], "did you mean 'bili10"),
        (["run", "--device", "nothing-like-it", "x.py"], "known: a100-pcie-40, "),
        (["run", "--devices", "bili100,,h100-sxm", "x.py"], "names with commas"),
        (["run", "--cards", "65", "x.py"], "expected 1 to 64 cards of bili100"),
        (["run", "--mode", "fast", "x.py"], "--mode: expected execute, both or time, found 'fast'"),
        (["run", "missing.py"], "no file 'missing.py'"),
        (["run", "."], "a folder without __main__.py"),
        (["run", "-m", "no.such.module"], "no module named 'no'"),
        (["run", "--json", "missing/out.json", "x.py"], "--json missing/out.json: can not be written"),
        (["dump", "--stage", "tile", "missing.py"], "no file 'missing.py'"),
        (["show", "bili10"], "did you mean"),
    ],
)
def test_mistakes_end_in_one_message_before_anything_runs(tmp_path, monkeypatch, capsys, line, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.py").write_text("print('ran')")
    assert main(line) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("supa: ") and told in err
    assert len(err.splitlines()) <= 2


def test_a_server_runs_with_all_its_cards(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.py").write_text("from supa.runtime import cards\nprint(len(cards()), cards()[3].index)")
    assert main(["run", "--device", "hearten", "x.py"]) == 0
    assert capsys.readouterr().out.startswith("8 3\n\nsupa: 8 x bili100, mode both")
    assert main(["run", "--device", "h100-sxm", "--cards", "4", "--json", "r.json", "x.py"]) == 0
    assert json.loads((tmp_path / "r.json").read_text())["cards"] == 4


def test_a_wrong_mode_in_the_environment_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SUPA_MODE", "quick")
    (tmp_path / "x.py").write_text("")
    assert main(["run", str(tmp_path / "x.py")]) == 2
    assert "SUPA_MODE: expected" in capsys.readouterr().err


def test_checking_the_json_path_leaves_no_file(tmp_path, capsys):
    assert main(["run", "--json", str(tmp_path / "out.json"), "missing.py"]) == 2
    assert not (tmp_path / "out.json").exists()


@pytest.fixture
def in_this_process(folder, monkeypatch):
    """Run a command line here, in the folder, on the usual program; the current device is as before afterwards."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(folder / "kernels"))
    (folder / "here.py").write_text(KERNEL)
    before = current_device()
    yield main
    set_current_device(before)


@pytest.mark.parametrize(
    ("stage", "told"),
    [("ttir", '"tt.func"'), ("tile", "func {sym_name="), ("work", "store"), ("llvm", "define void"), ("asm", ".text")],
)
def test_dump_prints_each_stage(in_this_process, capsys, stage, told):
    assert in_this_process(["dump", "--stage", stage, "here.py"]) == 0
    out, err = capsys.readouterr()
    assert f"{stage} of double_kernel" in out and told in out
    assert "sum 128.0" not in out and "sum 128.0" in err


def test_dump_of_a_kernel_that_is_not_there_names_those_that_are(in_this_process, capsys):
    assert in_this_process(["dump", "--stage", "tile", "--kernel", "triple_kernel", "here.py"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "kernels compiled: double_kernel" in err


def test_further_devices_do_not_change_the_answers(in_this_process, folder, capsys):
    (folder / "here.py").write_text(KERNEL + "print(x.tolist())")
    answers = []
    for devices in ("bili100", "bili100,a100-sxm-80"):
        assert in_this_process(["run", "--devices", devices, "here.py"]) == 0
        answers.append(capsys.readouterr().out.splitlines()[:2])
    assert answers[0] == answers[1] and answers[0][0] == "sum 128.0"


def test_the_catalogue_is_listed(capsys):
    assert main(["chips"]) == 0
    assert {"br100", "bili104", "h100-sxm"} <= {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert main(["show", "bili100"]) == 0
    assert "published" in capsys.readouterr().out


def test_every_command_has_help():
    for command in ([], ["run"], ["compare"], ["what-if"], ["dump"], ["doctor"]):
        with pytest.raises(SystemExit) as ended:
            make_parser().parse_args([*command, "--help"])
        assert ended.value.code == 0
