"""What the doctor checks of the machine; the standard library alone, Python 3.8 on."""

from __future__ import annotations

import os
import re
import shutil
import socket
from typing import Iterator  # noqa: UP035 - Python 3.8

from rhymes.common.addresses import PAGE_PORT, REST_PORT, SERVER_PORT
from rhymes.project.findings import Finding, Place, judge, run

_GIB = 2**30
_DISK_GIB, _MEMORY_GIB = 5, 4

PYTHONS = ("python3.13", "python3.12", "python3.11")
"""By name, in the order in which the Makefile takes them."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""Programs that can be driven as a browser, by name."""

_PORTS = (
    (SERVER_PORT, "the model server's gRPC"),
    (REST_PORT, "its REST"),
    (PAGE_PORT, "the page"),
)


def check_python(place: Place) -> Iterator[Finding]:
    """The Python that the environment is made with, and tools that are started by name."""
    tried = []
    for python in [place.python] if place.python else PYTHONS:
        code, out = run([python, "--version"], place.folder)
        if code != 0 or not re.search(r"Python 3\.1[123]\.", out):
            tried.append(f"{python}: {(out.splitlines() or ['not found'])[0]}")
        elif run([python, "-c", "import ensurepip"], place.folder)[0] != 0:
            tried.append(f"{python}: lacks ensurepip, which makes environments")
        else:
            yield Finding("ok", f"{python} is {out.strip()}")
            break
    else:
        yield Finding(
            "problem",
            f"{'; '.join(tried)}. Python 3.11, 3.12 or 3.13 is needed",
            "install one (Debian, Ubuntu: apt-get install python3-venv; elsewhere: uv python "
            "install 3.13), or name it: make PYTHON=/path/to/python3.13 ...",
        )
    for name in ("git", "make"):
        if shutil.which(name):
            yield Finding("ok", f"{name} is there")
        else:
            yield Finding("problem", f"{name} is not installed", f"install {name}")


def check_machine(place: Place) -> Iterator[Finding]:
    """Disk and memory."""
    free = shutil.disk_usage(str(place.folder)).free / _GIB
    is_set_up = (place.folder / ".venv/runtime").is_file()
    wanted = 1 if is_set_up else _DISK_GIB
    yield judge(free >= wanted, f"{free:.1f} GiB of disk are free", f"free at least {wanted} GiB")
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GIB
    except (AttributeError, ValueError, OSError):
        return
    text = f"{memory:.1f} GiB of memory"
    if memory >= _MEMORY_GIB:
        yield Finding("ok", text)
    else:
        yield Finding("note", text, "train smaller: train.image_size, train.batch_size")


def check_environment(place: Place) -> Iterator[Finding]:
    """The environment in .venv, by the marks that the Makefile leaves."""
    mark = place.folder / ".venv/runtime"
    wanted = place.folder / "requirements.txt"
    if not mark.is_file():
        yield Finding("note", ".venv is not set up yet", "any make target sets it up")
    elif wanted.is_file() and wanted.stat().st_mtime > mark.stat().st_mtime:
        yield Finding(
            "note", "requirements.txt is newer than .venv", "any make target brings it up to date"
        )
    else:
        yield Finding("ok", ".venv is set up")


def check_ports(_: Place) -> Iterator[Finding]:
    """The ports of the demo."""
    for port, what in _PORTS:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            yield Finding(
                "note", f"port {port} ({what}) is taken", "make demo takes the next free one"
            )
        else:
            yield Finding("ok", f"port {port} ({what}) is free")


def check_browser(_: Place) -> Iterator[Finding]:
    """A browser that tests can drive."""
    found = os.environ.get("RHYMES_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), "")
    if found:
        yield Finding("ok", f"browser for the page's tests: {found}")
    else:
        yield Finding(
            "note",
            "no Chromium or Chrome: the page's tests in a browser would not run",
            "apt-get install chromium, or RHYMES_BROWSER=/path/to/one",
        )
