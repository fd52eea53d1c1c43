from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from rhymes.serving.models.manager import ModelManager, Poller
from rhymes.serving.models.model_config import All, Latest, ModelConfig, Specific
from rhymes.serving.models.served_model import ENDED_LIMIT
from rhymes.wire.errors import WireError
from rhymes.wire.messages import ModelSpec, ModelVersionStatus
from tests.support.version_folders import (
    TIMEOUT,
    WEIGHTS,
    FakeLoader,
    make_config,
    save_version,
)

State = ModelVersionStatus.State


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Served:
    """A manager that looks at its base path when told to."""

    def __init__(self, base: Path, **settings: Any) -> None:
        self.base = base
        self.loader = FakeLoader()
        self.clock = Clock()
        self.manager = ModelManager(
            **({"load": self.loader, "poll_seconds": None, "clock": self.clock} | settings)
        )

    def start(self, *configs: ModelConfig) -> None:
        self.manager.start(configs or [make_config(self.base)], TIMEOUT)
        self.settle()

    def poll(self, times: int = 1) -> None:
        for _ in range(times):
            self.manager.poll_once()
            self.settle()

    def settle(self) -> None:
        assert self.manager.wait_idle(TIMEOUT)

    def ask(self, version: int | None = None, label: str = "", name: str = "m") -> str:
        """What serves: its content."""
        with self.manager.acquire(make_spec(version, label, name)) as held:
            return str(held.servable.run("", {}, [], None)["content"])

    def identity(self) -> str:
        with self.manager.acquire(make_spec()) as held:
            return held.identity

    def states(self, name: str = "m") -> dict[int, str]:
        return {s.version: State.Name(s.state) for s in self.manager.statuses(name)}

    def error(self, version: int) -> tuple[int, str]:
        [status] = self.manager.statuses("m", version)
        return status.status.error_code, status.status.error_message


def make_spec(version: int | None = None, label: str = "", name: str = "m") -> Any:
    spec = ModelSpec(name=name)
    if version is not None:
        spec.version.value = version
    if label:
        spec.version_label = label
    return spec


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def served(base: Path) -> Iterator[Served]:
    served = Served(base)
    yield served
    served.loader.resume.set()
    served.manager.stop(TIMEOUT)


# What is asked for.


def test_the_highest_version_is_served(served: Served) -> None:
    for version in (1, 2, 10):
        save_version(served.base, version, f"v{version}")
    served.start()
    assert served.ask() == served.ask(10) == "v10"
    assert served.states() == {10: "AVAILABLE"}
    assert served.error(10) == (0, "")
    assert served.loader.attempts == ["v10"]


@pytest.mark.parametrize(
    ("policy", "versions"),
    [
        pytest.param(Latest(2), [2, 3], id="latest two"),
        pytest.param(All(), [1, 2, 3], id="all"),
        pytest.param(Specific(frozenset({1, 3, 7})), [1, 3], id="specific, one missing"),
    ],
)
def test_a_policy_says_which_versions_are_served(
    served: Served, policy: Any, versions: list[int]
) -> None:
    for version in (1, 2, 3):
        save_version(served.base, version, f"v{version}")
    served.start(make_config(served.base, policy=policy))
    assert served.manager.available("m") == versions
    assert served.ask() == "v3"
    assert list(served.states()) == versions[::-1], "the highest first"


@pytest.mark.parametrize(
    ("spec", "code", "text"),
    [
        pytest.param(
            make_spec(name=""),
            grpc.StatusCode.INVALID_ARGUMENT,
            "ModelSpec has no name specified.",
            id="no name",
        ),
        pytest.param(
            make_spec(name="other"),
            grpc.StatusCode.NOT_FOUND,
            "Servable not found for request: Latest(other)",
            id="unknown model",
        ),
        pytest.param(
            make_spec(7),
            grpc.StatusCode.NOT_FOUND,
            "Servable not found for request: Specific(m, 7)",
            id="unknown version",
        ),
        pytest.param(
            make_spec(0),
            grpc.StatusCode.NOT_FOUND,
            "Servable not found for request: Specific(m, 0)",
            id="version 0",
        ),
        pytest.param(
            make_spec(label="stable"),
            grpc.StatusCode.INVALID_ARGUMENT,
            "Unrecognized servable version label: stable",
            id="unknown label",
        ),
    ],
)
def test_what_is_not_there_is_an_error(
    served: Served, spec: Any, code: grpc.StatusCode, text: str
) -> None:
    save_version(served.base, 1)
    served.start()
    with pytest.raises(WireError) as raised, served.manager.acquire(spec):
        pass
    assert (raised.value.code, raised.value.message) == (code, text)


def test_before_the_start_there_are_no_labels(served: Served) -> None:
    with pytest.raises(WireError, match=r"^Model labels does not init yet\.stable$") as raised:
        served.ask(label="stable")
    assert raised.value.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("name", "version", "text"),
    [
        pytest.param("m", 7, "Could not find version 7 of model m", id="version"),
        pytest.param("other", None, "Could not find any versions of model other", id="model"),
        pytest.param("other", 1, "Could not find version 1 of model other", id="model's version"),
        pytest.param("empty", None, "Could not find any versions of model empty", id="no version"),
    ],
)
def test_status_of_what_is_not_there(
    served: Served, tmp_path: Path, name: str, version: int | None, text: str
) -> None:
    save_version(served.base, 1)
    (tmp_path / "empty").mkdir()
    served.start(make_config(served.base), make_config(tmp_path / "empty", "empty"))
    with pytest.raises(WireError) as raised:
        served.manager.statuses(name, version)
    assert (raised.value.code, raised.value.message) == (grpc.StatusCode.NOT_FOUND, text)


def test_a_missing_base_path_is_logged_once(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.base.rmdir()
    with caplog.at_level(logging.WARNING, "rhymes.serving"):
        served.start()
        served.poll(3)
    [record] = caplog.records
    assert record.message == (
        f"Could not find base path {served.base} for servable m with error "
        f"NOT_FOUND: {served.base} not found"
    )
    save_version(served.base, 1)
    served.poll()
    assert served.ask() == "good"


# New versions.


def test_a_new_version_is_loaded_and_warmed_up_before_the_old_one_goes(base: Path) -> None:
    warmed = []
    served = Served(base, warm_up=lambda servable, folder: warmed.append((servable, folder)))
    save_version(base, 1, "v1")
    served.start()
    served.loader.block = True
    served.loader.began.clear()
    save_version(base, 2, "v2")
    served.manager.poll_once()
    assert served.loader.began.wait(TIMEOUT)
    assert served.ask() == "v1"
    assert served.states() == {2: "LOADING", 1: "AVAILABLE"}
    served.manager.poll_once()  # nor is it loaded twice
    served.loader.resume.set()
    served.settle()
    assert served.ask() == "v2"
    assert served.states() == {2: "AVAILABLE", 1: "END"}
    assert served.loader.attempts == ["v1", "v2"]
    assert [folder for _, folder in warmed] == [base / "1", base / "2"]
    first, second = served.loader.loaded
    assert first.closed.is_set()
    assert not second.closed.is_set()
    served.manager.stop(TIMEOUT)
    assert second.closed.is_set()


@pytest.mark.parametrize("version", [2, 1], ids=["another number", "the same number"])
def test_what_is_replaced_waits_for_a_running_request(served: Served, version: int) -> None:
    save_version(served.base, 1, "old")
    served.start()
    with served.manager.acquire(make_spec()) as held:
        save_version(served.base, version, "new")
        served.manager.poll_once()
        assert not served.manager.wait_idle(0.05)
        wait_until(served, lambda: served.ask() == "new")
        assert served.states() == {version: "AVAILABLE", 1: "AVAILABLE"} | (
            {1: "UNLOADING"} if version == 2 else {}
        )
        assert held.servable.run("", {}, [], None) == {"content": "old"}
        if version == 2:
            with pytest.raises(WireError, match=r"Specific\(m, 1\)"):
                served.ask(1)
    served.settle()
    assert served.loader.loaded[0].closed.is_set()
    assert served.states() == {version: "AVAILABLE"} | ({1: "END"} if version == 2 else {})


def wait_until(served: Served, is_true: Any) -> None:
    """Wait for a load, while an unload is held up."""
    changed = threading.Event()
    served.manager.on_change(changed.set)
    while not is_true():
        assert changed.wait(TIMEOUT)
        changed.clear()


def test_a_version_is_not_let_go_before_all_that_replace_it_are_there(served: Served) -> None:
    for version in (1, 2):
        save_version(served.base, version, f"v{version}")
    served.start(make_config(served.base, policy=Latest(2)))
    half = served.base / "3"
    half.mkdir()
    (half / "saved_model.pb").write_bytes(b"v3")
    served.poll()
    assert served.states() == {3: "START", 2: "AVAILABLE", 1: "AVAILABLE"}
    save_version(served.base, 3, "v3")
    served.poll()
    assert served.states() == {3: "AVAILABLE", 2: "AVAILABLE", 1: "END"}


def test_going_back_to_an_older_version(served: Served) -> None:
    save_version(served.base, 1, "v1")
    save_version(served.base, 2, "v2")
    served.start()
    shutil.rmtree(served.base / "2")
    served.poll()
    assert served.ask() == "v1"
    assert served.states() == {2: "END", 1: "AVAILABLE"}


def test_ends_are_reported_but_not_all_of_them_for_ever(served: Served) -> None:
    for version in range(1, ENDED_LIMIT + 6):
        save_version(served.base, version)
        served.start() if version == 1 else served.poll()
    assert list(served.states()) == list(range(ENDED_LIMIT + 5, 4, -1))


def test_requests_go_on_while_versions_and_their_bytes_are_swapped(base: Path) -> None:
    served = Served(base)
    save_version(base, 1, "v1")
    served.start()
    failures: list[BaseException] = []
    stop = threading.Event()

    def hammer() -> None:
        while not stop.is_set():
            try:
                with ExitStack() as held:
                    first = held.enter_context(served.manager.acquire(make_spec()))
                    second = held.enter_context(served.manager.acquire(make_spec()))
                    assert second.version >= first.version
                    first.servable.run("", {}, [], None)
                    second.servable.run("", {}, [], None)
            except BaseException as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(2, 22):
        save_version(base, number // 2, f"v{number}")
        served.poll()
    stop.set()
    for thread in threads:
        thread.join(TIMEOUT)
    served.settle()
    assert not failures
    assert [servable.closed.is_set() for servable in served.loader.loaded] == [True] * 20 + [False]
    served.manager.stop(TIMEOUT)


# The folder's bytes.


@pytest.mark.parametrize("has_manifest", [True, False], ids=["manifest", "no manifest"])
@pytest.mark.parametrize("is_last_first", [True, False], ids=["backwards", "forwards"])
def test_a_copy_under_way_is_never_served(
    served: Served, has_manifest: bool, is_last_first: bool
) -> None:
    save_version(served.base, 1, "v1")
    source = save_version(served.base.parent / "source", 2, "v2", manifest=has_manifest)
    served.start()
    files = sorted(path for path in source.rglob("*") if path.is_file())
    assert len(files) == 2 + has_manifest
    for path in files[::-1] if is_last_first else files:
        target = served.base / "2" / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        data = path.read_bytes()
        for end in (0, len(data) // 2, len(data)):
            assert served.ask() == "v1"
            assert served.loader.attempts == ["v1"]
            target.write_bytes(data[:end])
            served.poll()
    served.poll(0 if has_manifest else 2)
    assert served.ask() == "v2"
    assert served.loader.attempts == ["v1", "v2"]


@pytest.mark.parametrize("has_manifest", [True, False], ids=["manifest", "no manifest"])
def test_a_version_that_is_broken_leaves_the_old_one(served: Served, has_manifest: bool) -> None:
    save_version(served.base, 1, "v1")
    served.start()
    save_version(served.base, 2, "bad", manifest=has_manifest)
    served.poll(3)
    assert served.ask() == "v1"
    assert served.states() == {2: "END", 1: "AVAILABLE"}
    assert served.error(2) == (grpc.StatusCode.DATA_LOSS.value[0], "bad is damaged")
    save_version(served.base, 2, "mended", manifest=has_manifest)
    served.poll(3)
    assert served.ask() == "mended"
    assert served.error(2) == (0, "")


@pytest.mark.parametrize("name", [WEIGHTS, "saved_model.pb"])
def test_a_file_that_is_not_the_manifest_s_is_an_error_once_it_stands_still(
    served: Served, name: str
) -> None:
    save_version(served.base, 1, "v1")
    served.start()
    path = save_version(served.base, 2, "v2") / name
    path.write_bytes(path.read_bytes()[:-1])
    served.poll(2)
    assert served.states() == {2: "START", 1: "AVAILABLE"}
    served.poll()
    assert served.states() == {2: "END", 1: "AVAILABLE"}
    code, message = served.error(2)
    assert code == grpc.StatusCode.DATA_LOSS.value[0]
    assert str(path) in message
    assert served.loader.attempts == ["v1"]


def test_what_crashes_the_loader_or_the_warm_up_is_an_error(base: Path) -> None:
    def warm_up(servable: Any, folder: Path) -> None:
        if servable.content == "cold":
            raise WireError(grpc.StatusCode.INVALID_ARGUMENT, "no such signature")

    served = Served(base, warm_up=warm_up)
    save_version(base, 1, "crash")
    served.start()
    assert served.error(1) == (grpc.StatusCode.INTERNAL.value[0], "RuntimeError('crash')")
    save_version(base, 2, "cold")
    served.poll()
    assert served.error(2) == (grpc.StatusCode.INVALID_ARGUMENT.value[0], "no such signature")
    assert served.loader.loaded[0].closed.is_set()
    assert served.manager.available("m") == []


def test_a_load_that_failed_is_tried_again_for_a_while(base: Path) -> None:
    served = Served(base, max_load_retries=2, retry_seconds=60)
    folder = save_version(base, 1, "bad")
    served.start()
    served.poll(3)
    assert len(served.loader.attempts) == 1
    for _ in range(5):
        served.clock.now += 60
        served.poll(2)
    assert len(served.loader.attempts) == 3
    assert served.states() == {1: "END"}
    (folder / "saved_model.pb").touch()  # the same bytes, but somebody did something
    served.poll()
    assert len(served.loader.attempts) == 4
    served.clock.now += 60
    served.poll()
    assert len(served.loader.attempts) == 5, "the retries are counted anew"


def test_other_bytes_under_the_same_number_are_loaded(served: Served) -> None:
    save_version(served.base, 1, "old")
    served.start()
    before = served.identity()
    save_version(served.base, 1, "new")
    served.poll()
    assert served.ask() == "new"
    assert served.identity() != before
    assert served.states() == {1: "AVAILABLE"}


def test_broken_bytes_under_the_same_number_leave_the_old_ones(served: Served) -> None:
    save_version(served.base, 1, "old")
    served.start()
    save_version(served.base, 1, "bad")
    served.poll()
    assert served.ask() == "old"
    assert served.states() == {1: "AVAILABLE"}
    assert served.error(1) == (grpc.StatusCode.DATA_LOSS.value[0], "bad is damaged")
    save_version(served.base, 1, "old")
    served.poll()
    assert served.error(1) == (0, "")
    assert served.loader.attempts == ["old", "bad"]


def test_the_same_bytes_written_anew_are_not(served: Served) -> None:
    save_version(served.base, 1, "same")
    served.start()
    before = served.identity()
    save_version(served.base, 1, "same")
    served.poll(3)
    assert served.identity() == before
    assert served.loader.attempts == ["same"]


@pytest.mark.parametrize("has_manifest", [True, False], ids=["manifest", "no manifest"])
def test_an_emptied_and_refilled_folder_goes_on_being_served(
    served: Served, has_manifest: bool
) -> None:
    save_version(served.base, 1, "old", manifest=has_manifest)
    served.start()
    served.poll(2)
    for path in sorted(served.base.rglob("*"))[::-1]:
        path.rmdir() if path.is_dir() else path.unlink()
        served.poll()
        assert served.ask() == "old"
    served.base.rmdir()
    served.poll(3)
    assert served.ask() == "old"
    served.base.mkdir()
    served.poll(3)
    assert served.ask() == "old"
    assert served.states() == {1: "AVAILABLE"}
    save_version(served.base, 1, "new", manifest=has_manifest)
    served.poll(3)
    assert served.ask() == "new"
    assert served.loader.attempts == ["old", "new"]


def test_an_emptied_folder_can_unload_its_versions(base: Path) -> None:
    served = Served(base, unload_when_empty=True)
    save_version(base, 1)
    served.start()
    base.rename(base.with_name("away"))  # not to be read is not empty
    served.poll()
    assert served.states() == {1: "AVAILABLE"}
    base.mkdir()
    served.poll()
    assert served.states() == {1: "END"}
    assert served.loader.loaded[0].closed.is_set()
    with pytest.raises(WireError, match=r"Latest\(m\)"):
        served.ask()


class Gate:
    """Holds up the warm-up of a content, when the model has been loaded."""

    def __init__(self, content: str) -> None:
        self.content = content
        self.began = threading.Event()
        self.resume = threading.Event()

    def __call__(self, servable: Any, folder: Path) -> None:
        if servable.content == self.content:
            self.began.set()
            assert self.resume.wait(TIMEOUT)


@pytest.mark.parametrize("is_loaded", [True, False], ids=["warming up", "reading"])
@pytest.mark.parametrize("is_polled", [True, False], ids=["seen", "not seen"])
def test_a_folder_deleted_while_it_is_loaded_is_not_served(
    base: Path, is_loaded: bool, is_polled: bool
) -> None:
    gate = Gate("v2")
    served = Served(base, warm_up=gate)
    save_version(base, 1, "v1")
    served.start()
    folder = save_version(base, 2, "v2")
    if not is_loaded:
        gate.began, gate.resume = served.loader.began, served.loader.resume
        served.loader.block = True
        gate.began.clear()
    served.manager.poll_once()
    assert gate.began.wait(TIMEOUT)
    shutil.rmtree(folder)
    if is_polled:
        served.manager.poll_once()
    gate.resume.set()
    served.settle()
    assert served.ask() == "v1"
    assert served.error(2) == (0, ""), "it is no failure of the model"
    served.poll()
    assert served.states() == {2: "END", 1: "AVAILABLE"}
    assert [servable.closed.is_set() for servable in served.loader.loaded] == [False, True][
        : 1 + is_loaded
    ]
    save_version(base, 2, "v2")
    served.poll()
    assert served.ask() == "v2"
    served.manager.stop(TIMEOUT)


@pytest.mark.parametrize("is_polled", [True, False], ids=["seen", "not seen"])
@pytest.mark.parametrize("content", ["other", "first"])
def test_a_folder_replaced_while_it_is_loaded_is_loaded_anew(
    base: Path, content: str, is_polled: bool
) -> None:
    gate = Gate("first")
    served = Served(base, warm_up=gate)
    save_version(base, 1, "v1")
    served.start()
    save_version(base, 2, "first")
    served.manager.poll_once()
    assert gate.began.wait(TIMEOUT)
    save_version(base, 2, content)
    if is_polled:
        served.manager.poll_once()
    gate.resume.set()
    served.settle()
    assert served.ask() == ("first" if content == "first" else "v1")
    served.poll()
    assert served.ask() == content
    expected = ["v1", "first"] if content == "first" else ["v1", "first", "other"]
    assert served.loader.attempts == expected
    served.manager.stop(TIMEOUT)


def test_a_model_that_is_not_wanted_any_more_when_it_is_loaded(base: Path, tmp_path: Path) -> None:
    gate = Gate("v1")
    served = Served(base, warm_up=gate)
    save_version(base, 1, "v1")
    served.manager.start([make_config(base)], 0)
    assert gate.began.wait(TIMEOUT)
    served.manager.reconfigure([], 0)
    gate.resume.set()
    served.settle()
    assert served.states() == {1: "END"}
    assert served.loader.loaded[0].closed.is_set()
    with pytest.raises(WireError, match=r"Latest\(m\)"):
        served.ask()


# Other configurations.


def test_models_that_are_not_named_any_more_are_unloaded(served: Served, tmp_path: Path) -> None:
    other = tmp_path / "other"
    save_version(served.base, 1, "v1")
    save_version(other, 5, "v5")
    served.start()
    served.manager.reconfigure([make_config(other, "o")], TIMEOUT)
    served.settle()
    assert served.manager.names() == ["o"]
    assert served.ask(name="o") == "v5"
    with pytest.raises(WireError, match=r"Servable not found for request: Latest\(m\)"):
        served.ask()
    assert served.states() == {1: "END"}
    assert served.loader.loaded[0].closed.is_set()
    served.manager.reconfigure([make_config(served.base), make_config(other, "o")], TIMEOUT)
    assert served.ask() == "v1"
    assert served.ask(name="o") == "v5"
    assert served.loader.attempts == ["v1", "v5", "v1"]


def test_a_model_s_policy_and_place_may_change(served: Served, tmp_path: Path) -> None:
    save_version(served.base, 1, "v1")
    save_version(served.base, 2, "v2")
    served.start()
    served.manager.reconfigure([make_config(served.base, policy=All())])
    served.settle()
    assert served.manager.available("m") == [1, 2]
    save_version(tmp_path / "elsewhere", 2, "e2")
    served.manager.reconfigure([make_config(tmp_path / "elsewhere")])
    served.settle()
    assert served.ask() == "e2"
    assert served.manager.available("m") == [2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(
            "bad",
            "{name: o version: 3} due to error: DATA_LOSS: bad is damaged",
            id="broken version",
        ),
        pytest.param(
            None,
            "{name: o} due to error: NOT_FOUND: No versions of servable o found under base path "
            "BASE. Did you forget to name your leaf directory as a number (eg. '/1/')?",
            id="no version",
        ),
    ],
)
def test_a_new_model_that_does_not_load(
    served: Served, tmp_path: Path, content: str | None, reason: str
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    save_version(served.base, 1, "v1")
    served.start()
    if content:
        save_version(other, 3, content)
    with pytest.raises(WireError) as raised:
        served.manager.reconfigure([make_config(served.base), make_config(other, "o")], TIMEOUT)
    assert raised.value.code is grpc.StatusCode.UNKNOWN
    shown = reason.replace("BASE", str(other))
    assert raised.value.message == f"1 model(s) did not become available: {{{{{shown}}}, }}"
    assert served.ask() == "v1"
    save_version(other, 4, "mended")
    served.poll()
    assert served.ask(name="o") == "mended"


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        pytest.param(
            [{}, {}],
            grpc.StatusCode.INVALID_ARGUMENT,
            "Illegal to list model m multiple times in config list",
            id="twice",
        ),
        pytest.param(
            [{"platform": "tflite"}],
            grpc.StatusCode.INVALID_ARGUMENT,
            "Illegal to change a model's platform. For model m platform was tensorflow and new "
            "platform requested is tflite",
            id="platform changed",
        ),
        pytest.param(
            [{"name": "new", "platform": "tflite"}],
            grpc.StatusCode.INVALID_ARGUMENT,
            "Model new requests unsupported platform tflite",
            id="platform unknown",
        ),
        pytest.param(
            [{"labels": {"stable": 2}}],
            grpc.StatusCode.FAILED_PRECONDITION,
            "Request to assign label to version 2 of model m, which is not currently available "
            "for inference",
            id="label ahead",
        ),
    ],
)
def test_a_wrong_configuration_changes_nothing(
    served: Served, changes: list[dict[str, Any]], code: grpc.StatusCode, text: str
) -> None:
    save_version(served.base, 1, "v1")
    served.start(make_config(served.base, labels={"old": 1}))
    with pytest.raises(WireError) as raised:
        served.manager.reconfigure([make_config(served.base, **change) for change in changes])
    assert (raised.value.code, raised.value.message) == (code, text)
    assert served.manager.names() == ["m"]
    assert served.ask() == served.ask(label="old") == "v1"


def test_labels_move_with_the_configuration(served: Served) -> None:
    for version in (1, 2):
        save_version(served.base, version, f"v{version}")
    both = {"stable": 1, "canary": 2}
    served.start(make_config(served.base, policy=All(), labels=both))
    assert served.ask(label="stable") == "v1"
    assert served.ask(label="canary") == "v2"
    served.manager.reconfigure([make_config(served.base, policy=All(), labels={"stable": 2})])
    assert served.ask(label="stable") == "v2"
    with pytest.raises(WireError, match=r"^Unrecognized servable version label: canary$"):
        served.ask(label="canary")


def test_a_label_of_the_start_works_once_its_version_is_there(served: Served) -> None:
    save_version(served.base, 1, "v1")
    served.start(make_config(served.base, labels={"next": 2}))
    with pytest.raises(WireError, match=r"^Servable not found for request: Specific\(m, 2\)$"):
        served.ask(label="next")
    save_version(served.base, 2, "v2")
    served.poll()
    assert served.ask(label="next") == "v2"


def test_only_a_new_label_may_point_ahead_where_that_is_allowed(base: Path) -> None:
    served = Served(base, allow_labels_ahead=True)
    save_version(base, 1, "v1")
    served.start(make_config(base, labels={"stable": 1}))
    ahead = {"stable": 1, "next": 2}
    served.manager.reconfigure([make_config(base, labels=ahead)])
    assert served.ask(label="stable") == "v1"
    with pytest.raises(WireError, match="Request to assign label to version 2"):
        served.manager.reconfigure([make_config(base, labels={"stable": 2})])
    save_version(base, 2, "v2")
    served.poll()
    assert served.ask(label="next") == "v2"


# By itself.


def test_it_polls_by_itself_and_tells_of_changes(base: Path) -> None:
    loader, changed = FakeLoader(), threading.Event()
    manager = ModelManager(load=loader, poll_seconds=0.01)
    manager.on_change(changed.set)
    manager.on_change(lambda: 1 / 0)  # somebody else's mistake
    save_version(base, 1, "v1", manifest=False)
    manager.start([make_config(base)], TIMEOUT)
    assert manager.available("m") == [1], "it waited for the folder to stand still"
    save_version(base, 2, "v2")
    while manager.available("m") != [2]:
        assert changed.wait(TIMEOUT)
        changed.clear()
    manager.stop(TIMEOUT)
    assert all(servable.closed.is_set() for servable in loader.loaded)
    assert manager.names() == []


def test_the_start_ends_at_its_timeout(base: Path) -> None:
    loader = FakeLoader()
    loader.block = True
    manager = ModelManager(load=loader, poll_seconds=60)
    save_version(base, 1)
    manager.start([make_config(base)], 0.05)
    assert manager.available("m") == []
    loader.resume.set()
    assert manager.wait_idle(TIMEOUT)
    assert manager.available("m") == [1]
    manager.stop(TIMEOUT)


def test_the_end_waits_for_running_requests_only_so_long(served: Served) -> None:
    save_version(served.base, 1)
    served.start()
    with served.manager.acquire(make_spec()) as held:
        served.manager.stop(0.05)
        held.servable.run("", {}, [], None)
    assert served.loader.loaded[0].closed.wait(TIMEOUT)


def test_it_goes_on_after_an_error_until_it_is_stopped() -> None:
    calls: list[int] = []
    enough = threading.Event()

    def poll() -> None:
        calls.append(1)
        if len(calls) == 3:
            enough.set()
        raise OSError

    poller = Poller(poll, 0.001, lambda: True)
    poller.ensure_running()
    poller.ensure_running()
    assert enough.wait(TIMEOUT)
    poller.stop(TIMEOUT)
    ended = len(calls)
    poller.ensure_running()
    assert len(calls) == ended


def test_without_an_interval_it_ends_when_it_is_done_and_can_begin_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rhymes.serving.models.manager._ONCE_SECONDS", 0.001)
    calls: list[int] = []
    poller = Poller(lambda: calls.append(1), 0, lambda: len(calls) % 3 == 0)
    for expected in (3, 6):
        poller.ensure_running()
        assert poller._thread is not None
        poller._thread.join(TIMEOUT)
        assert len(calls) == expected


def test_it_never_polls_where_it_is_told_so() -> None:
    poller = Poller(lambda: pytest.fail("polled"), None, lambda: False)
    poller.ensure_running()
    poller.stop(TIMEOUT)
