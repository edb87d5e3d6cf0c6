"""The command `supa`: its sub-commands and their arguments. Not here: what they do (`run`, `comparison`, `dump`, ...).

Errors of the user's end in one message on standard error and exit code 2, before anything ran.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import supa
from supa.base.errors import SupaError

USAGE_ERROR = 2
STAGES = ("ttir", "tile", "work", "llvm", "asm")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit code."""
    words, apart = _split_off(sys.argv[1:] if arguments is None else list(arguments))
    chosen = make_parser().parse_args(words)
    chosen.apart = apart
    action: Callable[[argparse.Namespace], int] = chosen.action
    try:
        return action(chosen)
    except SupaError as error:
        print(f"supa: {error}", file=sys.stderr)
        return USAGE_ERROR
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _split_off(words: list[str]) -> tuple[list[str], list[str]]:
    """What follows the first "--" of a command whose options may follow the program: argparse would lose the mark."""
    if words[:1] in (["compare"], ["what-if"]) and "--" in words:
        place = words.index("--")
        return words[:place], words[place + 1 :]
    return words, []


def make_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="supa", description="Run GPU programs on virtual devices: the right answers, and the device's clock."
    )
    parser.add_argument("--version", action="version", version=f"supa {supa.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_compare(commands)
    _add_what_if(commands)
    _add_dump(commands)
    chips = commands.add_parser("chips", help="list the hardware catalogue")
    chips.set_defaults(action=_chips)
    show = commands.add_parser("show", help="show one description: figures, units, sources, derived peaks")
    show.add_argument("name", metavar="NAME", help="a name of the catalogue, or the path of a TOML description")
    show.set_defaults(action=_show)
    _add_price(commands)
    doctor = commands.add_parser("doctor", help="check this machine: host, versions, caches, catalogue, Triton")
    doctor.set_defaults(action=_doctor)
    return parser


def _add_run(commands: Any) -> None:
    run = commands.add_parser(
        "run",
        help="run a Python program on a virtual device and report its launches",
        description="Run a Python program, unmodified, on a virtual device; then report what its kernels cost there.",
        usage="supa run [--device NAME | --devices NAMES] [--cards N] [--mode MODE] [--json FILE] [--report FILE] "
        "[--trace FILE] [--strict] [--as-cuda] [--sanitize | --sanitize-nan] (SCRIPT | -m MODULE) [ARGS ...]",
    )
    which = run.add_mutually_exclusive_group()
    which.add_argument("--device", metavar="NAME", help="a name of `supa chips` or a TOML file (default: bili100)")
    which.add_argument(
        "--devices", metavar="NAMES", help="several, with commas: the first computes, all predict the same launches"
    )
    run.add_argument("--cards", metavar="N", type=int, help="how many of it (default: one, a server's all)")
    _add_mode(run)
    run.add_argument("--strict", action="store_true", help="PyTorch operators without a device kernel are errors")
    run.add_argument("--as-cuda", action="store_true", help="the program's `cuda` devices are the virtual ones")
    run.add_argument("--json", metavar="FILE", type=Path, help="also write the report there, as JSON")
    run.add_argument("--report", metavar="FILE", type=Path, help="also write it as a page with plots (HTML)")
    run.add_argument("--trace", metavar="FILE", type=Path, help="also write the timeline, for Perfetto")
    checks = run.add_mutually_exclusive_group()
    checks.add_argument(
        "--sanitize", action="store_const", const="1", default="", help="find wrong accesses, races, overflows"
    )
    checks.add_argument(
        "--sanitize-nan", action="store_const", const="nan", dest="sanitize", help="and where NaNs are born"
    )
    _add_program(run)
    run.set_defaults(action=_run)


def _add_compare(commands: Any) -> None:
    compare = commands.add_parser(
        "compare",
        help="run a program once and price it on several devices",
        description="Run a Python program once; price its launches on several devices, side by side. "
        "The options may also follow SCRIPT directly.",
        usage="supa compare (SCRIPT | -m MODULE) --devices NAMES [--mode MODE] [--json FILE] [ARGS ...]",
    )
    compare.add_argument("--devices", metavar="NAMES", help="with commas between; the first one computes")
    _add_comparing(compare)
    compare.set_defaults(action=_compare)


def _add_what_if(commands: Any) -> None:
    what_if = commands.add_parser(
        "what-if",
        help="price a program on a device and on the same with figures changed",
        description="Run a Python program once; price its launches on a device, and on the same with some of its "
        "figures changed (`supa show NAME` lists them). The options may also follow SCRIPT directly.",
        usage="supa what-if NAME --set KEY=VALUE [--set ...] [--mode MODE] [--json FILE] "
        "(SCRIPT | -m MODULE) [ARGS ...]",
    )
    what_if.add_argument("device", metavar="NAME", help="a name of `supa chips` or a TOML file")
    what_if.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="as hbm.bandwidth=2TB/s")
    _add_comparing(what_if)
    what_if.set_defaults(action=_what_if)


def _add_price(commands: Any) -> None:
    price = commands.add_parser(
        "price",
        help="price a table of operations, each on the device that its row names",
        description="Read a table (CSV) of operations, add predicted_us, predicted_j and bound_by to each row.",
        usage="supa price WORKLOAD --table IN.csv --out OUT.csv [--chips DIR] [--model MODEL]",
    )
    price.add_argument(
        "workload",
        metavar="WORKLOAD",
        help="gemm, attention_prefill, attention_decode, llm_layer_ops, collectives, elementwise",
    )
    price.add_argument("--table", metavar="IN", type=Path, required=True, help="columns as docs/command-line.md says")
    price.add_argument("--out", metavar="OUT", type=Path, required=True, help="the same table, priced")
    price.add_argument("--chips", metavar="DIR", type=Path, help="DIR/DEVICE.toml comes before the catalogue")
    price.add_argument(
        "--model",
        choices=("outline", "machine"),
        default="outline",
        help="outline: closed forms, quick (default); machine: the schedule found is walked, block by block",
    )
    price.set_defaults(action=_price)


def _add_comparing(parser: argparse.ArgumentParser) -> None:
    _add_mode(parser)
    parser.add_argument(
        "--json", metavar="FILE", type=Path, help="also write the comparison there, as JSON; - prints it"
    )
    _add_program(parser)


def _add_mode(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mode", metavar="MODE", help="execute: answers; time: predictions, memory untouched; both (default)"
    )


def _add_dump(commands: Any) -> None:
    dump = commands.add_parser(
        "dump",
        help="print what a program's kernels become, stage by stage",
        description="Run a Python program and print one stage of every kernel that it launches.",
        usage="supa dump --stage STAGE [--kernel NAME] [--device NAME] (SCRIPT | -m MODULE) [ARGS ...]",
    )
    dump.add_argument("--stage", required=True, choices=STAGES, help="of " + ", ".join(STAGES))
    dump.add_argument("--kernel", metavar="NAME", help="only the kernels of this name")
    dump.add_argument("--device", metavar="NAME", help="as for run")
    _add_program(dump)
    dump.set_defaults(action=_dump)


def _add_program(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-m", dest="is_module", action="store_true", help="the program is a module's name")
    parser.add_argument("program", metavar="SCRIPT", help="a Python program")
    parser.add_argument("arguments", metavar="ARGS", nargs=argparse.REMAINDER, help="handed to the program")


def _run(chosen: argparse.Namespace) -> int:
    from supa.tools.run import Request, run

    request = Request(
        devices=_devices(chosen.devices, chosen.device),
        mode=_mode(chosen.mode or ("execute" if chosen.sanitize else None)),
        target=chosen.program,
        arguments=tuple(chosen.arguments),
        is_module=chosen.is_module,
        json_path=chosen.json,
        page_path=chosen.report,
        trace_path=chosen.trace,
        sanitize=chosen.sanitize,
        cards=chosen.cards,
        strict=chosen.strict,
        as_cuda=chosen.as_cuda,
    )
    return run(request)


def _compare(chosen: argparse.Namespace) -> int:
    from supa.tools.comparison import compare

    chosen = _late_options(chosen, "compare")
    if chosen.devices is None:
        raise SupaError("compare: expected --devices with two names or more, as in --devices bili100,h100-sxm")
    return compare(_compared(chosen, _devices(chosen.devices, None)))


def _what_if(chosen: argparse.Namespace) -> int:
    from supa.tools.comparison import what_if

    chosen = _late_options(chosen, "what-if")
    return what_if(_compared(chosen, (chosen.device,)), chosen.set)


def _compared(chosen: argparse.Namespace, devices: tuple[str, ...]) -> Any:
    from supa.tools.run import Request

    return Request(
        devices=devices,
        mode=_mode(chosen.mode),
        target=chosen.program,
        arguments=tuple(chosen.arguments),
        is_module=chosen.is_module,
        json_path=chosen.json,
    )


def _late_options(chosen: argparse.Namespace, name: str) -> argparse.Namespace:
    """Take our options that directly follow the program out of its arguments; "--" ends them."""
    late = argparse.ArgumentParser(prog=f"supa {name}", add_help=False, allow_abbrev=False)
    for option in ("--devices", "--mode"):
        late.add_argument(option, default=getattr(chosen, option[2:], None))
    late.add_argument("--json", type=Path, default=chosen.json)
    late.add_argument("--set", action="append", default=getattr(chosen, "set", []))
    ours: list[str] = []
    rest = list(chosen.arguments)
    known = ("--devices", "--mode", "--json") if name == "compare" else ("--set", "--mode", "--json")
    while rest and rest[0].partition("=")[0] in known:
        count = 1 if "=" in rest[0] else 2
        ours, rest = ours + rest[:count], rest[count:]
    found = late.parse_args(ours)
    rest += ["--"] * bool(rest and chosen.apart) + chosen.apart
    return argparse.Namespace(**{**vars(chosen), **vars(found), "arguments": rest})


def _dump(chosen: argparse.Namespace) -> int:
    from supa.tools.dump import dump
    from supa.tools.run import Request

    request = Request(
        devices=_devices(None, chosen.device),
        mode="execute",
        target=chosen.program,
        arguments=tuple(chosen.arguments),
        is_module=chosen.is_module,
    )
    return dump(request, chosen.stage, chosen.kernel)


def _price(chosen: argparse.Namespace) -> int:
    from supa.tools.price import price

    return price(chosen.workload, chosen.table, chosen.out, chosen.chips, chosen.model)


def _chips(chosen: argparse.Namespace) -> int:
    from supa.tools.chips import chips_table

    print(chips_table())
    return 0


def _show(chosen: argparse.Namespace) -> int:
    from supa.tools.chips import show

    print(show(chosen.name))
    return 0


def _doctor(chosen: argparse.Namespace) -> int:
    from supa.tools.doctor import doctor

    return doctor()


def _devices(several: str | None, one: str | None) -> tuple[str, ...]:
    """The devices asked for, each once, in order; without any `SUPA_DEVICE`, or the default."""
    from supa.runtime.device import DEFAULT_DEVICE

    text = several if several is not None else one or os.environ.get("SUPA_DEVICE") or DEFAULT_DEVICE
    names = [name.strip() for name in text.split(",")] if several is not None else [text]
    if not all(names):
        raise SupaError(f"--devices {text!r}: expected names with commas between, as in bili100,h100-sxm")
    return tuple(dict.fromkeys(names))


def _mode(given: str | None) -> Any:
    """The mode asked for; without one `SUPA_MODE`, or the default."""
    from supa.runtime.device import DEFAULT_MODE, Mode

    modes = get_args(Mode)
    mode = given or os.environ.get("SUPA_MODE") or DEFAULT_MODE
    if mode not in modes:
        origin = "--mode" if given else "SUPA_MODE"
        raise SupaError(f"{origin}: expected {', '.join(modes[:-1])} or {modes[-1]}, found {mode!r}")
    return mode


if __name__ == "__main__":
    sys.exit(main())
