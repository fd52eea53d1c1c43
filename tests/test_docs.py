"""Links in the project's Markdown files lead somewhere, and DVC reads the options shown there."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest
from dvc.utils.hydra import to_hydra_overrides

from rhymes.common.params import load_params
from tools.deps import ROOT

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.*?) *#*$", re.MULTILINE)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:")


def list_documents() -> list[Path]:
    """The Markdown files that Git knows or would, relative to the root."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md")
    listed = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    names = sorted(set(listed.stdout.splitlines()))
    return [Path(name) for name in names if (ROOT / name).is_file()]


def text_to_anchors(text: str) -> set[str]:
    """The anchors that GitHub and GitLab give a document's headings."""
    anchors: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        base = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        repeated = (f"{base}-{number}" for number in range(1, len(anchors) + 1))
        anchors.add(base if base not in anchors else next(e for e in repeated if e not in anchors))
    return anchors


def find_broken_links(document: Path, root: Path) -> list[str]:
    """Links of a document, relative to `root`, that lead to no file or no heading.

    Links that leave the project are not looked at.
    """
    text = _CODE.sub("", _FENCE.sub("", (root / document).read_text("utf-8")))
    broken = []
    for link in _LINK.findall(text):
        if _ELSEWHERE.match(link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = root / document.parent / path if path else root / document
        is_there = target.exists() and target.resolve().is_relative_to(root.resolve())
        if not is_there or (anchor and anchor not in text_to_anchors(target.read_text("utf-8"))):
            broken.append(link)
    return broken


@pytest.mark.parametrize("document", list_documents(), ids=str)
def test_links_lead_somewhere(document: Path) -> None:
    assert find_broken_links(document, ROOT) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/b.md").write_text("# One, `two`: three?\n\n## Again\n\n## Again\n")
    (tmp_path / "a.md").write_text(
        "[x](docs/b.md) [x](docs/b.md#one-two-three) [x](docs/b.md#again-1) [x](#here) [x](docs/)\n"
        "[x](https://example.org/no#where) `[x](code.md)`\n"
        "```\n[x](fenced.md)\n# Fenced\n```\n"
        "## Here\n"
        "[x](docs/c.md) [x](docs/b.md#again-2) [x](#fenced) [x](../outside.md) ![x](docs/c.png)\n"
    )
    broken = ["docs/c.md", "docs/b.md#again-2", "#fenced", "../outside.md", "docs/c.png"]
    (tmp_path.parent / "outside.md").write_text("")
    assert find_broken_links(Path("a.md"), tmp_path) == broken


def test_index_leads_to_each_page() -> None:
    links = _LINK.findall((ROOT / "docs/README.md").read_text("utf-8"))
    linked = {link.partition("#")[0] for link in links}
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages <= linked


def test_each_module_has_its_line_in_the_tables() -> None:
    sections = re.split(r"^## ", (ROOT / "docs/architecture.md").read_text("utf-8"), flags=re.M)
    tables = {title: text for title, _, text in (each.partition("\n") for each in sections)}
    for top in ("rhymes", "app", "tools"):
        for path in (ROOT / top).rglob("[!_]*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if (parts[0] == "app" and len(parts) > 2) or parts == ("rhymes", "cli"):
                continue  # told of as a whole
            section = "/".join(parts[:2] if parts[0] == "rhymes" else parts[:1]) + "/"
            assert f"`{parts[-1]}`" in tables[section], f"docs/architecture.md: {'/'.join(parts)}"


def test_tables_name_no_module_that_is_gone() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        title, _, table = section.partition("\n")
        if title.partition("/")[0] in ("rhymes", "app", "tools"):
            inside = [path for path in (ROOT / title).rglob("*") if path.suffix in ("", ".py")]
            there = {f"{path.name}/" if path.is_dir() else path.stem for path in inside}
            for row in re.findall(r"^\| (`.*?) \|", table, re.M):
                assert set(re.findall(r"`([^`]+)`", row)) <= there, f"{title}: {row}"


def test_dvc_reads_the_options_that_are_shown() -> None:
    """A shell takes one pair of quotes away, and DVC another."""
    params = load_params(ROOT / "params.yaml")
    option = re.compile(r"""-S ('[^'\n]*'|"[^"\n]*"|[^\s`'"]*\w=(?!\.\.\.)[^\s`]+)""")
    texts = [(ROOT / path).read_text(encoding="utf-8") for path in list_documents()]
    found = {shlex.split(value)[0] for text in texts for value in option.findall(text)}
    assert len(found) > 10
    for override in to_hydra_overrides(sorted(found)):
        section, _, key = override.key_or_group.partition(".")
        assert key.split(".")[0] in params[section], override.input_line
