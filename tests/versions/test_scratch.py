from __future__ import annotations

from pathlib import Path

import pytest

from rhymes.common.errors import InputError
from rhymes.versions.scratch import scratch_folder


def make_repository(root: Path, **configs: str) -> Path:
    """Make a DVC repository with the cache folders that `config` and `config_local` name."""
    (root / ".dvc").mkdir(parents=True)
    for name, cache in configs.items():
        others = "[core]\n    analytics = false\n['remote \"a\"']\n    url = /b\n"
        text = f"{others}[cache]\n    dir = {cache}\n"
        (root / ".dvc" / name.replace("_", ".")).write_text(text)
    return root


def test_repository_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = make_repository(tmp_path / "main")
    expected = main / ".dvc/tmp/rhymes/downloads"
    assert scratch_folder("downloads", main) == expected
    assert expected.is_dir()
    monkeypatch.chdir(main)
    assert scratch_folder("downloads") == expected


@pytest.mark.parametrize("place", ["main/.dvc/tmp/exps/tmpabc", "main/.dvc/tmp/exps/standalone/x",
                                   "elsewhere"])  # fmt: skip
def test_experiment_uses_the_main_repository(tmp_path: Path, place: str) -> None:
    main = make_repository(tmp_path / "main")
    experiment = make_repository(tmp_path / place, config_local=str(main / ".dvc/cache"))
    assert scratch_folder("x", experiment) == main / ".dvc/tmp/rhymes/x"


def test_local_configuration_goes_before_the_shared_one(tmp_path: Path) -> None:
    main = make_repository(tmp_path / "main")
    clone = make_repository(
        tmp_path / "clone", config="/srv/cache", config_local="../../main/.dvc/cache"
    )
    assert scratch_folder("x", clone) == main / ".dvc/tmp/rhymes/x"


def test_shared_cache_outside_any_repository(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    main = make_repository(tmp_path / "main", config=str(cache))
    assert scratch_folder("x", main) == main / ".dvc/tmp/rhymes/x"
    experiment = make_repository(main / ".dvc/tmp/exps/tmpabc", config_local=str(cache))
    assert scratch_folder("x", experiment) == main / ".dvc/tmp/rhymes/x"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[core]\n", id="no cache section"),
        pytest.param("[cache]\n    type = symlink\n", id="no folder in it"),
        pytest.param("cache = x\n", id="no section at all"),
        pytest.param("", id="empty"),
    ],
)
def test_configuration_without_a_cache_folder(tmp_path: Path, text: str) -> None:
    main = make_repository(tmp_path)
    (main / ".dvc/config").write_text(text)
    assert scratch_folder("x", main) == main / ".dvc/tmp/rhymes/x"


def test_broken_configuration_is_an_error(tmp_path: Path) -> None:
    main = make_repository(tmp_path)
    (main / ".dvc/config").write_text("[cache\n")
    with pytest.raises(InputError, match="config: not a DVC configuration"):
        scratch_folder("x", main)


def test_no_repository_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run this in the root of the repository"):
        scratch_folder("x", tmp_path)
    assert not list(tmp_path.iterdir())
