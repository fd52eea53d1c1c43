"""Publishing: what a tag promises, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from rhymes.common.errors import InputError
from rhymes.registry import publishing
from rhymes.registry.publishing import Outcome
from rhymes.versions.dvc import text_to_lock
from rhymes.versions.model_folder import load_identity
from rhymes.versions.published import load_published
from tests.support.registry_project import IDENTITY, Project, tree

PUBLISHED = Path("reports/published")


def publish(root: Path, *, is_offline: bool = True, **options: bool) -> Outcome:
    """Without DVC, which takes seconds to start, unless a test is about remotes."""
    return publishing.publish(root, is_offline=is_offline, **options)


def message(project: Project, tag: str) -> str:
    return project.git("cat-file", "tag", tag).partition("\n\n")[2]


def test_the_tag_and_the_file_tell_where_the_version_comes_from(built: Project) -> None:
    head = built.git("rev-parse", "HEAD")
    outcome = publish(built.path)
    assert outcome.is_new
    assert str(outcome.name) == "detector@v1.0.0"
    assert built.git("rev-parse", "detector@v1.0.0^{commit}") == head
    headline, _, text = message(built, "detector@v1.0.0").partition("\n\n")
    assert headline == "detector 1: AP 0.500, AP50 0.875 on 2 test images"
    assert json.loads(text) == json.loads((built.path / PUBLISHED / "provenance.json").read_text())
    provenance = json.loads(text)
    lock = text_to_lock((built.path / "dvc.lock").read_bytes(), "lock")
    assert provenance["revision"] == head
    assert provenance["dirty"] is False
    assert provenance["model"] == {
        "path": "models/detector",
        "md5": lock.outs["models/detector"],
        "identity": load_identity(built.path / "models/detector/1"),
    }
    assert provenance["parameters"]["export"]["version"] == 1
    assert provenance["parameters"]["verify"] == {"exit": 0}
    test = provenance["data"].pop("data/coco/test.json")
    raw = provenance["data"].pop("data/raw")
    assert provenance["data"] == {"data/coco": lock.outs["data/coco"]}
    assert (len(test), len(raw)) == (32, 36)
    assert provenance["test"]["metrics"] == {"images": 2, "AP": 0.5, "AP50": 0.875}
    assert provenance["verify"] == {"images": 2, "sampled_images": 1}
    assert provenance["gate"] == {"passed": True, "baseline": None, "notes": []}


def test_what_the_next_version_is_compared_with_is_kept(built: Project) -> None:
    publish(built.path)
    kept = load_published(built.path / PUBLISHED / "detections.json")
    assert kept is not None
    assert (kept.version, kept.tag) == (1, "detector@v1.0.0")
    assert kept.identity == load_identity(built.path / "models/detector/1")
    assert [list(image.detections) for image in kept.images.values()] == [["A"], ["A"]]


def test_what_is_published_already_is_left_as_it_is(published: Project) -> None:
    before = dict(tree(published.path / PUBLISHED)), published.git("show-ref")
    outcome = publish(published.path)
    assert not outcome.is_new
    assert str(outcome.name) == "detector@v2.0.0"
    assert (dict(tree(published.path / PUBLISHED)), published.git("show-ref")) == before


def test_a_killed_run_is_finished_by_the_next(built: Project) -> None:
    # The hook lets Git fail where it writes the tag: all before has been done.
    hook = built.path / ".git/hooks/reference-transaction"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(InputError, match="git tag"):
        publish(built.path)
    assert built.tags() == []
    assert (built.path / PUBLISHED / "provenance.json").is_file()
    hook.unlink()
    outcome = publish(built.path)
    assert outcome.is_new
    assert outcome.difference is not None
    assert not outcome.difference.is_dirty


def test_the_same_bytes_measured_anew_get_the_next_minor_number(published: Project) -> None:
    assert str(publish(published.path, is_measured_anew=True).name) == "detector@v2.1.0"
    with pytest.raises(InputError, match=r"v2\.1\.0 is of this commit already"):
        publish(published.path, is_measured_anew=True)
    assert str(publish(published.path).name) == "detector@v2.1.0"


def test_what_is_not_committed_is_recorded_and_named(built: Project) -> None:
    (built.path / ".dvcignore").write_text("# changed\n")
    (built.path / "notes.txt").write_text("mine")
    difference = publish(built.path).difference
    assert difference is not None
    assert difference.uncommitted == (".dvcignore",)
    assert difference.untracked == ("notes.txt",)
    provenance = json.loads((built.path / PUBLISHED / "provenance.json").read_text())
    assert provenance["dirty"] is True
    assert provenance["uncommitted"] == [".dvcignore"]


def test_a_commit_that_does_not_hold_what_the_model_was_made_of_is_dirty(built: Project) -> None:
    # As when code is changed, `dvc repro` run, and dvc.lock alone committed.
    (built.path / "make.py").write_text("# changed\n")
    (built.path / "data/raw.dvc").write_text("outs: []\n")
    built.set(verify={"more": 1})
    built.commit("other inputs than dvc.lock says")
    publish(built.path)
    provenance = json.loads((built.path / PUBLISHED / "provenance.json").read_text())
    assert provenance["dirty"] is True
    assert provenance["uncommitted"] == []
    assert provenance["not_as_committed"] == ["data/raw", "make.py", "params.yaml:verify"]


def test_a_detached_head_may_be_published(built: Project) -> None:
    built.git("checkout", "-q", "--detach")
    outcome = publish(built.path)
    assert outcome.is_new
    assert outcome.branch is None


def test_other_tags_do_not_matter(built: Project) -> None:
    built.git("commit", "-qm", "empty", "--allow-empty")
    for name in (
        "detector@vX", "detector@v1", "detector@v01.0.0", "detector@v1.0.0-rc1",
        "detector@v0.0.0", "other@v1.0.0", "detector#prod#1", "detector@v2.0.0/x",
    ):  # fmt: skip
        built.git("tag", name, "HEAD~1")
    assert publish(built.path).is_new


def no_git(project: Project) -> None:
    shutil.rmtree(project.path / ".git")


def no_commit(project: Project) -> None:
    project.git("checkout", "-q", "--orphan", "empty")


def no_lock(project: Project) -> None:
    (project.path / "dvc.lock").unlink()


def lock_of_another_run(project: Project) -> None:
    path = project.path / "dvc.lock"
    path.write_text(path.read_text().replace("size: 2", "size: 3"))


def other_bytes(project: Project) -> None:
    (project.path / "models/detector/1/saved_model.pb").write_text("other")


def no_model(project: Project) -> None:
    shutil.rmtree(project.path / "models/detector")


def two_versions(project: Project) -> None:
    shutil.copytree(project.path / "models/detector/1", project.path / "models/detector/2")


def not_in_cache(project: Project) -> None:
    lock = text_to_lock((project.path / "dvc.lock").read_bytes(), "lock")
    md5 = lock.outs["models/detector"]
    listing = project.path / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    first = json.loads(listing.read_bytes())[0]["md5"]
    (listing.parent.parent / first[:2] / first[2:]).unlink()


def verify_edited(project: Project) -> None:
    (project.path / "reports/verify/metrics.json").write_text("{}")


def verify_gone(project: Project) -> None:
    shutil.rmtree(project.path / "reports/verify")


def verify_failed(project: Project) -> None:
    project.set(verify={"exit": 1}, export={"version": 2})
    project.run("dvc", "repro", "-q", code=None)
    project.commit("verify failed")


def gate_failed(project: Project) -> None:
    project.build(gate={"passed": False})


def gate_not_run(project: Project) -> None:
    path = project.path / "dvc.lock"
    lock = YAML().load(path)
    del lock["stages"]["gate"]
    YAML().dump(lock, path)
    project.commit("no gate")


def gate_of_another_evaluation(project: Project) -> None:
    path = project.path / "dvc.lock"
    lock = YAML().load(path)
    lock["stages"]["gate"]["deps"][1]["md5"] = "0" * 32 + ".dir"
    YAML().dump(lock, path)
    project.commit("old gate")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (no_git, "no Git repository; run this in the repository's root"),
        (no_commit, "there is no commit yet"),
        (no_lock, "dvc.lock is not there"),
        (lock_of_another_run, "not committed as it stands.*git add dvc.lock"),
        (other_bytes, "models/detector holds other bytes.*dvc checkout models/detector"),
        (no_model, "expected one folder of a version, such as 1, found none"),
        (two_versions, "expected one folder of a version, such as 1, found 1, 2"),
        (not_in_cache, "not in this machine's cache; `dvc commit`"),
        (verify_edited, "reports/verify is not there, or not what the stage verify wrote"),
        (verify_gone, "reports/verify is not there, or not what the stage verify wrote"),
        (verify_failed, "the stage verify did not run to a good end on version 2"),
        (gate_failed, "version 1 did not pass the gate: B lost 0.3 AP"),
        (gate_not_run, "the stage gate did not run to a good end on version 1"),
        (gate_of_another_evaluation, "the stage gate did not run to a good end on version 1"),
    ],
)
def test_what_may_not_be_published_is_refused(
    built: Project, change: Callable[[Project], None], said: str
) -> None:
    change(built)
    with pytest.raises(InputError, match=f"(?s){said}"):
        publish(built.path)
    assert not (built.path / PUBLISHED / "detections.json").exists()
    if (built.path / ".git").is_dir():
        assert built.tags() == []


def test_a_number_is_not_published_twice_with_other_bytes(second: Project) -> None:
    second.git("tag", "detector@v2.0.0", "detector@v1.0.0^{commit}")
    for is_measured_anew in (False, True):
        with pytest.raises(InputError, match=r"published already with other bytes.*raise export"):
            publish(second.path, is_measured_anew=is_measured_anew)


def test_a_tag_that_says_nothing_of_its_bytes_blocks_the_number(built: Project) -> None:
    (built.path / "x").write_text("x")
    blob = built.git("hash-object", "-w", "x")
    built.git("tag", "detector@v1.2.0", blob)
    with pytest.raises(InputError, match=r"tag detector@v1\.2\.0: it is of no commit with"):
        publish(built.path)


def test_a_withdrawn_number_stays_used(published: Project) -> None:
    published.git("tag", "detector@v2.0.0!")
    with pytest.raises(InputError, match=r"was withdrawn .*--measured-anew"):
        publish(published.path)
    assert str(publish(published.path, is_measured_anew=True).name) == "detector@v2.1.0"


def test_a_gate_that_saw_another_baseline_does_not_count(second: Project) -> None:
    path = second.path / PUBLISHED / "detections.json"
    path.write_text(path.read_text().replace("detector@v1.0.0", "detector@v1.9.0"))
    with pytest.raises(InputError, match="changed after the gate looked at it"):
        publish(second.path)


def test_a_baseline_that_git_does_not_have_is_not_overwritten(second: Project) -> None:
    second.git("rm", "-q", "--cached", "reports/published/detections.json")
    second.git("commit", "-qm", "forgotten")
    with pytest.raises(InputError, match=r"of detector@v1\.0\.0 is not committed and would be"):
        publish(second.path)
    second.commit("Publish 1")
    assert publish(second.path).is_new


def test_nobody_cannot_publish(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in IDENTITY:
        monkeypatch.delenv(name)
    built.git("config", "user.useConfigOnly", "true")
    with pytest.raises(InputError, match=r"git config --global user\.email"):
        publish(built.path)
    assert not (built.path / PUBLISHED / "detections.json").exists()


def test_what_others_published_is_asked_of_the_git_remote(built: Project, tmp_path: Path) -> None:
    central = tmp_path / "central.git"
    subprocess.run(["git", "init", "-q", "--bare", str(central)], check=True, timeout=60)
    built.git("remote", "add", "origin", str(central))
    other = built.copy(tmp_path / "other")
    publish(other.path)
    other.git("push", "-q", "origin", "detector@v1.0.0")
    with pytest.raises(InputError, match="first: git fetch --tags origin"):
        publish(built.path, is_offline=False)
    built.git("fetch", "-q", "--tags", "origin")
    assert not publish(built.path, is_offline=False).is_new


def test_a_git_remote_that_is_gone_is_an_error_unless_offline(
    built: Project, tmp_path: Path
) -> None:
    built.git("remote", "add", "origin", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="--offline"):
        publish(built.path, is_offline=False)
    assert publish(built.path).is_new


def test_the_model_goes_to_the_dvc_remote(built: Project, tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    built.run("dvc", "remote", "add", "-q", "--default", "storage", str(storage))
    built.commit("remote")
    outcome = publish(built.path, is_offline=False)
    assert outcome.dvc_remote == "storage"
    md5: Any = text_to_lock((built.path / "dvc.lock").read_bytes(), "").outs["models/detector"]
    assert (storage / "files/md5" / md5[:2] / md5[2:]).is_file()


def test_a_dvc_remote_that_cannot_be_written_leaves_nothing_half_done(
    built: Project, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    built.run("dvc", "remote", "add", "-q", "--default", "storage", str(tmp_path / "file/x"))
    built.commit("remote")
    with pytest.raises(InputError, match="dvc push failed"):
        publish(built.path, is_offline=False)
    assert built.tags() == []
    assert not (built.path / PUBLISHED / "detections.json").exists()
