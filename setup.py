"""Builds the driver core, a plain shared library without Python.h, beside the modules that load it.

Everything else about the package is in pyproject.toml. `CXX` chooses the compiler.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CORE = Path("src/supa/runtime/core")
FLAGS = ("-O2", "-std=c++17", "-fPIC", "-shared", "-pthread", "-Wall", "-Wextra", "-Werror")


def compiler() -> list[str]:
    """The C++ compiler's command; ends the build with one clear message where there is none."""
    chosen = os.environ.get("CXX")
    candidates = [chosen] if chosen else ["c++", "g++", "clang++"]
    for candidate in candidates:
        command = shlex.split(candidate)
        if shutil.which(command[0]):
            return command
    raise SystemExit(
        f"supa needs a C++17 compiler to build its driver core; found none of: {', '.join(candidates)}.\n"
        "Install one (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++) or set CXX to its path."
    )


def sources_digest() -> str:
    """Of the core's sources: `supa.runtime.native` takes the same of those beside the library that it loads."""
    taken = hashlib.sha256()
    for path in sorted(CORE.iterdir()):
        if path.suffix in (".cpp", ".h"):
            taken.update(path.name.encode() + path.read_bytes())
    return taken.hexdigest()[:16]


class BuildCore(build_ext):
    """Compiles an `Extension` as a plain shared library named as it is, without Python's suffix."""

    def get_ext_filename(self, fullname: str) -> str:
        """`supa.runtime.libsupa_core` is `supa/runtime/libsupa_core.so` on every Python."""
        return fullname.replace(".", "/") + ".so"

    def build_extension(self, ext: Extension) -> None:
        """One compiler call; a new file replaces the old one, so that processes that have it loaded live on."""
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(f".{os.getpid()}")
        command = [*compiler(), *FLAGS, f"-DSUPA_CORE_SOURCES=0x{sources_digest()}u", "-o", str(fresh), *ext.sources]
        try:
            subprocess.run(command, check=True)
        except subprocess.CalledProcessError as error:
            raise SystemExit(
                f"the driver core did not compile (exit {error.returncode}): {shlex.join(command)}"
            ) from None
        os.replace(fresh, target)

    def copy_extensions_to_source(self) -> None:
        """For editable installs: beside the modules, again by replacing."""
        for ext in self.extensions:
            built = Path(self.build_lib) / self.get_ext_filename(ext.name)
            target = Path("src") / self.get_ext_filename(ext.name)
            fresh = target.with_suffix(f".{os.getpid()}")
            shutil.copy2(built, fresh)
            os.replace(fresh, target)


setup(
    ext_modules=[
        Extension(
            "supa.runtime.libsupa_core",
            sources=sorted(map(str, CORE.glob("*.cpp"))),
            depends=sorted(map(str, CORE.glob("*.h"))),
        )
    ],
    cmdclass={"build_ext": BuildCore},
)
