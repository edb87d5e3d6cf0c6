"""`supa compare` and `supa what-if`: one execution, several prices; a change that can not be is refused."""

import json

import pytest

from supa.tools.cli import main


def test_compare_prices_one_execution_on_each_device(programs, capsys):
    assert main(["compare", "two.py", "--devices", "bili100,a100-sxm-80,h100-sxm", "--json", "c.json"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("sums 32768.0 16384\n")  # once
    found = json.loads((programs / "c.json").read_text())
    assert found["devices"] == ["bili100", "a100-sxm-80", "h100-sxm"]
    for kernel in [*found["kernels"], found["total"]]:
        times = [entry["device_us"] for entry in kernel["predictions"]]
        assert [entry["ratio"] for entry in kernel["predictions"]] == pytest.approx([t / times[0] for t in times])
    totals = [entry["device_us"] for entry in found["total"]["predictions"]]
    assert totals == pytest.approx(
        [sum(kernel["predictions"][place]["device_us"] for kernel in found["kernels"]) for place in range(3)]
    )
    assert "bili100*  a100-sxm-80  ratio  h100-sxm  ratio" in out and "predicted energy" in out
    assert all(len(line) <= 120 for line in out.splitlines())


def test_options_may_follow_the_program_and_its_arguments_stay_its_own(programs, capsys):
    (programs / "own.py").write_text("import sys\nprint(sys.argv[1:])")
    line = ["own.py", "--devices", "bili100,h100-sxm", "--mode=time", "--size", "5", "--mode", "x"]
    assert main(["compare", *line]) == 0
    assert capsys.readouterr().out.startswith("['--size', '5', '--mode', 'x']\n")
    assert main(["compare", "--devices", "bili100,h100-sxm", "own.py", "--", "--devices", "3"]) == 0
    assert capsys.readouterr().out.startswith("['--devices', '3']\n")


def test_what_if_shows_the_change_and_what_it_does(programs, capsys):
    settings = ["--set", "launch.latency=20 us", "--set", "hbm.bandwidth=2TB/s"]
    assert main(["what-if", "bili100", *settings, "two.py", "--json", "w.json"]) == 0
    out = capsys.readouterr().out
    assert "launch.latency: " in out and "-> 20 us" in out and "hbm.bandwidth: 1638.4 GB/s -> 2TB/s" in out
    found = json.loads((programs / "w.json").read_text())
    assert found["changes"]["hbm.bandwidth"] == {"from": "1638.4 GB/s", "to": "2TB/s"}
    base, changed = found["kernels"][0]["predictions"]
    assert changed["device_us"] > 20 > base["device_us"]  # a launch from idle costs its latency at least
    assert changed["bound_by"] == "launch"
    assert len(found["notes"]) == 1


def test_json_alone_goes_to_standard_output(programs, capsys):
    assert main(["what-if", "bili100", "--set", "board.power_cap=300 W", "--json", "-", "two.py"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["devices"] == ["bili100", "bili100 changed"]
    assert "sums" in err


def test_a_wider_bus_is_never_slower(programs, capsys):
    line = ["what-if", "a100-sxm-80", "--set", "hbm.bandwidth=4 TB/s", "--json", "-", "two.py"]
    assert main(line) == 0
    for kernel in json.loads(capsys.readouterr().out)["kernels"]:
        assert kernel["predictions"][1]["ratio"] <= 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["compare", "two.py"], "expected --devices with two names or more"),
        (["compare", "two.py", "--devices", "bili100"], "expected two devices or more"),
        (["compare", "two.py", "--devices", "bili100,h200"], "h200"),
        (["compare", "two.py", "--devices", "bili100,h100-sxm", "--mode", "execute"], "predicts nothing"),
        (["compare", "two.py", "--devices", "bili100,h100-sxm", "--json", "no/x.json"], "can not be written"),
        (["what-if", "bili100", "two.py"], "expected one change or more"),
        (["what-if", "bili100", "--set", "die.spc_cuont=20", "two.py"], "did you mean 'die.spc_count'"),
        (["what-if", "bili100", "--set", "bandwidth=2TB/s", "two.py"], "'hbm.bandwidth'"),
        (["what-if", "bili100", "--set", "zzz=1", "two.py"], "`supa show bili100` lists all"),
        (["what-if", "bili100", "--set", "hbm.bandwidth", "two.py"], "expected KEY=VALUE"),
        (["what-if", "bili100", "--set", "hbm.bandwidth=2", "two.py"], "missing unit"),
        (["what-if", "bili100", "--set", "hbm.bandwidth=-2 TB/s", "two.py"], "more than zero"),
        (["what-if", "bili100", "--set", "die.spc_count=0", "two.py"], "more than zero"),
        (["what-if", "bili100", "--set", "die.spc_count=1000000", "two.py"], "the model takes up to 16384"),
        (["what-if", "bili100", "--set", "die.spc_count=8", "--set", "die.spc_count=9", "two.py"], "set twice"),
        (["what-if", "bili10", "--set", "die.spc_count=8", "two.py"], "did you mean 'bili10"),
    ],
)
def test_mistakes_end_in_one_message_before_anything_runs(programs, capsys, line, told):
    assert main(line) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("supa: ") and told in err
