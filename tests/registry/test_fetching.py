"""Fetching: published versions get into a base path whole, or not at all."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rhymes.common.errors import InputError
from rhymes.registry import fetching
from rhymes.registry.fetching import Outcome
from rhymes.versions.dvc import folder_to_md5, object_path, text_to_lock
from tests.conftest import ROOT
from tests.support.registry_project import Project, tree


def fetch(project: Project, base: Path, *numbers: int, is_only: bool = False) -> Outcome:
    return fetching.fetch(str(project.path), base, numbers=numbers, newest=2, is_only=is_only)


def cached(project: Project, tag: str) -> Path:
    """Where the cache keeps the list of a published model's files."""
    lock = text_to_lock(project.git("show", f"{tag}:dvc.lock"), tag)
    return object_path(project.path / ".dvc/cache", lock.outs["models/detector"])


def test_an_empty_base_path_is_filled(
    published: Project, sources: dict[int, Path], tmp_path: Path
) -> None:
    base = tmp_path / "new/base"
    assert fetch(published, base).fetched == [1, 2]
    for number, source in sources.items():
        assert dict(tree(base / str(number))) == dict(tree(source))
        provenance = json.loads((base / f"{number}.provenance.json").read_text())
        assert provenance["tag"] == f"detector@v{number}.0.0"
    names = {path.name for path in base.iterdir() if not path.name.startswith(".")}
    assert names == {"1", "2", "1.provenance.json", "2.provenance.json"}
    assert {path.name for path in base.glob(".*")} == {".fetch.lock"}
    mode = (base / "1/saved_model.pb").stat().st_mode
    assert mode & 0o044, "a server runs as somebody else"
    assert (base / "1").stat().st_mode & 0o055


def test_what_is_there_with_the_same_bytes_is_left_alone(
    published: Project, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    fetch(published, base, 1)
    (base / "1.provenance.json").unlink()
    before = (base / "1").stat().st_ino
    outcome = fetch(published, base)
    assert (outcome.present, outcome.fetched) == ([1], [2])
    assert (base / "1").stat().st_ino == before
    assert (base / "1.provenance.json").is_file()


@pytest.mark.parametrize("name", ["1", "01"])
def test_other_bytes_under_a_number_are_not_replaced(
    published: Project, tmp_path: Path, name: str
) -> None:
    base = tmp_path / "base"
    (base / name).mkdir(parents=True)
    (base / name / "saved_model.pb").write_text("mine")
    with pytest.raises(InputError, match=r"base/1: other bytes than detector@v1\.0\.0"):
        fetch(published, base)
    assert (base / name / "saved_model.pb").read_text() == "mine"
    assert not (base / "2").exists(), "nothing was begun"


def test_rolling_back_and_forward(published: Project, tmp_path: Path) -> None:
    base = tmp_path / "base"
    fetch(published, base)
    outcome = fetch(published, base, 1, is_only=True)
    assert (outcome.present, outcome.removed) == ([1], [2])
    assert sorted(path.name for path in base.glob("[!.]*")) == ["1", "1.provenance.json"]
    outcome = fetch(published, base, 2, is_only=True)
    assert (outcome.fetched, outcome.removed) == ([2], [1])


def test_what_could_not_be_brought_back_is_not_taken_away(
    published: Project, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    fetch(published, base, 2)
    (base / "2/saved_model.pb").write_text("changed")
    with pytest.raises(InputError, match="could not be brought back"):
        fetch(published, base, 1, is_only=True)
    assert not (base / "1").exists()
    (base / "2").rename(base / "7")
    with pytest.raises(InputError, match="no tag of detector 7"):
        fetch(published, base, 1, is_only=True)


def test_a_withdrawn_version_is_not_fetched_and_may_be_taken_away(
    published: Project, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    fetch(published, base)
    published.git("tag", "detector@v2.0.0!", "detector@v2.0.0")
    with pytest.raises(InputError, match=r"withdrawn by the tag detector@v2\.0\.0!"):
        fetch(published, base, 2)
    outcome = fetch(published, base, is_only=True)
    assert (outcome.present, outcome.removed) == ([1], [2])
    assert outcome.problems == ["detector 2 was withdrawn by the tag detector@v2.0.0!"]


def lightweight(project: Project) -> None:
    commit = project.git("rev-parse", "detector@v2.0.0^{commit}")
    project.git("tag", "--force", "detector@v2.0.0", commit)


def broken_message(project: Project) -> None:
    project.git("tag", "-f", "-a", "-m", "x\n\n{", "detector@v2.0.0", "detector@v2.0.0^{commit}")


def moved(project: Project) -> None:
    message = project.git("cat-file", "tag", "detector@v2.0.0").partition("\n\n")[2]
    project.git("tag", "-f", "-a", "-m", message, "detector@v2.0.0", "detector@v1.0.0^{commit}")


def contradicted(project: Project) -> None:
    project.git("tag", "-a", "-m", "by hand", "detector@v2.0.1", "detector@v1.0.0^{commit}")


def of_a_blob(project: Project) -> None:
    project.git("tag", "-f", "detector@v2.0.0", project.git("rev-parse", "HEAD:make.py"))


def broken_lock(project: Project) -> None:
    (project.path / "dvc.lock").write_text("[")
    project.commit("broken")
    project.git("tag", "-f", "-a", "-m", "x", "detector@v2.0.0")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lightweight, "its message holds no provenance"),
        (broken_message, "its message holds no provenance"),
        (moved, "it was moved"),
        (contradicted, "has tags of different bytes"),
        (of_a_blob, "it is of no commit with a dvc.lock"),
        (broken_lock, "not a dvc.lock"),
    ],
)
def test_a_tag_that_does_not_prove_its_version_is_left_out(
    published: Project, tmp_path: Path, change: Callable[[Project], None], said: str
) -> None:
    change(published)
    with pytest.raises(InputError, match=said):
        fetch(published, tmp_path / "base", 2)
    outcome = fetch(published, tmp_path / "base")
    assert outcome.fetched == [1]
    assert len(outcome.problems) == 1
    assert said in outcome.problems[0]


def test_what_is_not_published_is_named(published: Project, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"detector 3 is not published in .*published: 1, 2"):
        fetch(published, tmp_path / "base", 1, 3)
    published.git("tag", "--delete", "detector@v1.0.0", "detector@v2.0.0")
    with pytest.raises(InputError, match="has no published version"):
        fetch(published, tmp_path / "base")


def damaged_object(project: Project) -> Path:
    listing = json.loads(cached(project, "detector@v1.0.0").read_bytes())
    entry = next(each for each in listing if each["relpath"] == "1/saved_model.pb")
    path = object_path(project.path / ".dvc/cache", entry["md5"])
    path.chmod(0o644)
    path.write_text("rot")
    return path


def test_a_damaged_cache_is_noticed(published: Project, tmp_path: Path) -> None:
    path = damaged_object(published)
    with pytest.raises(InputError, match=f"{path.name}: its bytes are not those of its name"):
        fetch(published, tmp_path / "base", 1)
    assert [each.name for each in (tmp_path / "base").iterdir()] == [".fetch.lock"]


@pytest.mark.parametrize(
    "relpath", ["../../evil", "/tmp/evil", "1/../../evil", "1//x", "", "1/./x", "..", "x/.."]
)
def test_a_list_that_leads_outside_is_refused(
    published: Project, tmp_path: Path, relpath: str
) -> None:
    path = cached(published, "detector@v1.0.0")
    listing = json.loads(path.read_bytes())
    listing[0]["relpath"] = relpath
    path.chmod(0o644)
    path.write_text(json.dumps(listing))
    with pytest.raises(InputError, match="list of its files has the path"):
        fetch(published, tmp_path / "base", 1)
    assert not (tmp_path / "evil").exists()


def test_a_list_of_other_files_is_refused(published: Project, tmp_path: Path) -> None:
    path = cached(published, "detector@v1.0.0")
    listing = json.loads(path.read_bytes())
    listing[0]["relpath"] = "1/other"
    path.chmod(0o644)
    path.write_text(json.dumps(listing))
    with pytest.raises(InputError, match=r"the bytes are not those of the tag detector@v1\.0\.0"):
        fetch(published, tmp_path / "base", 1)


def test_where_the_pipeline_writes_nothing_is_fetched(published: Project) -> None:
    for base in (published.path / "models/detector", published.path / "models/detector/x"):
        with pytest.raises(InputError, match="DVC empties it; give another folder"):
            fetch(published, base)


def test_what_a_killed_run_left_goes_and_nothing_else(published: Project, tmp_path: Path) -> None:
    base = tmp_path / "base"
    for name in (".1.77.part", ".keep.part", "notes"):
        (base / name).mkdir(parents=True)
    (base / ".1.provenance.json.77.part").write_text("{")
    fetch(published, base)
    assert list(base.glob(".1.*")) == []
    assert (base / ".keep.part").is_dir()
    assert (base / "notes").is_dir()


def test_two_at_once_do_not_hurt_each_other(published: Project, tmp_path: Path) -> None:
    base = tmp_path / "base"
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(fetch(published, base))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcome.fetched for outcome in outcomes) == [[], [], [], [1, 2]]


def test_a_kill_leaves_no_half_version(published: Project, tmp_path: Path) -> None:
    """Killed at 12 moments, as the clock has it; what is under a number is always whole."""
    whole = {
        number: text_to_lock(published.git("show", f"detector@v{number}.0.0:dvc.lock"), "").outs[
            "models/detector"
        ]
        for number in (1, 2)
    }
    base = tmp_path / "base"
    code = (
        "import sys; from rhymes.registry.fetching import fetch; from pathlib import Path;"
        "print('go', flush=True); fetch(sys.argv[1], Path(sys.argv[2]), numbers=[], newest=2,"
        " is_only=False)"
    )
    ended = 0
    for step in range(12):
        command = [sys.executable, "-c", code, str(published.path), str(base)]
        with subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(0.01 * step)
            child.send_signal(signal.SIGKILL)
        ended += child.returncode == 0
        for number in (1, 2):
            folder = base / str(number)
            if folder.exists():
                assert folder_to_md5(folder, f"{number}/") == whole[number]
                assert (base / f"{number}.provenance.json").is_file()
    assert ended < 12
    fetch(published, base)
    assert sorted(path.name for path in base.glob("[0-9]")) == ["1", "2"]
    assert list(base.glob(".*.part")) == []


def test_a_clone_without_a_cache_takes_the_remote(
    published: Project, sources: dict[int, Path], tmp_path: Path
) -> None:
    storage = tmp_path / "storage"
    published.run("dvc", "remote", "add", "-q", "--default", "storage", str(storage))
    published.commit("remote")
    published.run("dvc", "push", "-q", "--all-tags", "models/detector")
    url = published.path.as_uri()
    shutil.rmtree(published.path / ".dvc/cache")
    outcome = fetching.fetch(url, tmp_path / "base", numbers=[], newest=1, is_only=False)
    assert outcome.fetched == [2]
    assert dict(tree(tmp_path / "base/2")) == dict(tree(sources[2]))


def test_bytes_that_nobody_has_are_an_error(
    published: Project, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(published.path / ".dvc/cache")
    with pytest.raises(InputError, match="not in this machine's cache, and there is no DVC remote"):
        fetch(published, tmp_path / "base", 1)
    published.run("dvc", "remote", "add", "-q", "--default", "empty", str(tmp_path / "empty"))
    with pytest.raises(InputError, match="dvc get failed"):
        fetch(published, tmp_path / "base", 1)
    assert "ERROR" in capfd.readouterr().err
    assert [each.name for each in (tmp_path / "base").iterdir()] == [".fetch.lock"]


def test_a_repository_that_is_none(tmp_path: Path) -> None:
    for name in ("nowhere", "--upload-pack=touch evil"):
        with pytest.raises(InputError, match="git clone"):
            fetching.fetch(name, tmp_path / "base", numbers=[], newest=1, is_only=False)
    assert not Path("evil").exists()
    subprocess.run(["git", "init", "-q", str(tmp_path / "plain")], check=True, timeout=60)
    with pytest.raises(InputError, match="is no repository of DVC"):
        fetching.fetch(
            str(tmp_path / "plain"), tmp_path / "base", numbers=[], newest=1, is_only=False
        )
