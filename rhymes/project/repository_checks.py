"""What the doctor checks of the repository; the standard library alone, Python 3.8 on."""

from __future__ import annotations

import csv
import importlib.util
import os
import re
from pathlib import Path
from typing import Iterator, List, Tuple  # noqa: UP035 - Python 3.8

from rhymes.project.findings import Finding, Place, judge, run


def check_git(place: Place) -> Iterator[Finding]:
    """The repository, and who commits: `dvc exp run` makes commits."""
    code, out = run(["git", "rev-parse", "--is-inside-work-tree"], place.folder)
    if code != 0:
        if "dubious ownership" in out:
            yield Finding(
                "problem",
                "Git refuses a folder that belongs to somebody else",
                f"git config --global --add safe.directory {place.folder}",
            )
        else:
            yield Finding(
                "problem",
                f"{place.folder} is no Git repository",
                "clone the project, or run git init",
            )
        return
    for key in ("user.name", "user.email"):
        code, out = run(["git", "config", key], place.folder)
        in_environment = os.environ.get("GIT_AUTHOR_" + key[5:].upper())
        yield judge(
            code == 0 or bool(in_environment),
            f"Git's {key} is set",
            f"git config --global {key} ...  (dvc exp run commits)",
            f"Git's {key} is not set",
        )


def check_dvc(place: Place) -> Iterator[Finding]:
    """The remote, and a lock that a dead process left."""
    config = "".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in (place.folder / ".dvc/config", place.folder / ".dvc/config.local")
        if path.is_file()
    )
    urls = re.findall(r"^\s*url\s*=\s*(.+?)\s*$", config, re.MULTILINE)
    if not urls:
        yield Finding(
            "note",
            "no DVC remote: data and models stay on this machine",
            "dvc remote add --default storage /path/or/s3://bucket",
        )
    for url in urls:
        yield _judge_remote(place, url)
    lock = place.folder / ".dvc/tmp/rwlock"
    pids = re.findall(r'"pid": (\d+)', lock.read_text()) if lock.is_file() else []
    dead = [pid for pid in pids if not _is_alive(int(pid))]
    if dead:
        yield Finding(
            "note",
            f"DVC's lock names a process that is gone ({', '.join(dead)})",
            "if DVC complains, remove .dvc/tmp/rwlock",
        )


def _judge_remote(place: Place, url: str) -> Finding:
    if "://" in url:
        shown = re.sub(r"//[^/@]*@", "//...@", url)
        return Finding("ok", f"DVC remote {shown} (not tried: that would need the network)")
    folder = (place.folder / ".dvc" / url).resolve()
    if folder.is_dir() and os.access(str(folder), os.W_OK):
        return Finding("ok", f"DVC remote {folder} can be written")
    return Finding(
        "problem",
        f"DVC remote {folder} is no folder that can be written",
        "make it, or name another: dvc remote modify NAME url ...",
    )


def check_export(place: Place) -> Iterator[Finding]:
    """The export's folder and the columns of its CSV files."""
    raw = _load_raw(place.folder / "params.yaml")
    if not raw:
        yield Finding("problem", "params.yaml has no section raw", "git checkout params.yaml")
        return
    values = dict(raw)
    folder = place.folder / values.get("export", "")
    if values.get("export") == "data/sample" and not folder.is_dir():
        yield Finding("ok", "raw.export is data/sample, which the pipeline draws")
        return
    if not folder.is_dir():
        yield Finding(
            "problem",
            f"raw.export names {folder}, which is no folder",
            "put the export there, or set raw.export (docs/bring-your-own-export.md)",
        )
        return
    for key, columns in (("annotations", ("output_content",)), ("categories", ("category_image",))):
        yield _judge_csv(folder / values.get(key, ""), "raw." + key, columns)


def _judge_csv(path: Path, key: str, columns: Tuple[str, ...]) -> Finding:  # noqa: UP006
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return Finding(
            "problem",
            f"{key} names {path}: {error}",
            "name the CSV file as it is called in the export's folder",
        )
    missing = [column for column in columns if column not in header]
    image_columns = _load_image_columns() if key == "raw.annotations" else []
    if image_columns and not set(image_columns) & set(header):
        missing.append(" or ".join(image_columns))
    if missing:
        there = ", ".join(header) or "none"
        return Finding(
            "problem",
            f"{path}: no column {', '.join(missing)}; it has {there}",
            f"export it again, or name another file with {key}",
        )
    return Finding("ok", f"{path} has the columns that are read")


def _load_image_columns() -> List[str]:  # noqa: UP006
    """Read the image columns from the text of the dialects: what they import may not be there."""
    spec = importlib.util.find_spec("rhymes.export.dialects")
    if spec is None or spec.origin is None:
        return []
    texts = (
        path.read_text(encoding="utf-8")
        for path in sorted(Path(spec.origin).parent.glob("[!_]*.py"))
    )
    return [column for text in texts for column in re.findall(r'image_column="(\w+)"', text)]


def _load_raw(path: Path) -> List[Tuple[str, str]]:  # noqa: UP006
    """The section `raw` of params.yaml; a YAML reader need not be there yet."""
    if not path.is_file():
        return []
    section = re.search(
        r"^raw:.*\n((?:[ \t#].*\n|\n)*)", path.read_text(encoding="utf-8"), re.MULTILINE
    )
    lines = section.group(1) if section else ""
    return re.findall(r"^\s+(\w+):\s*['\"]?([^'\"#\n]+?)['\"]?\s*(?:#.*)?$", lines, re.MULTILINE)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
