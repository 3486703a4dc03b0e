import asyncio
from pathlib import Path

import pytest
from local_runs import small_camera, small_pipeline, write

from camstream_cli.local.follow import Followed

QUIET_S = 20.0
"""Longer than any edit takes to be noticed; only waited for in full when a test fails."""


def names(followed: Followed) -> list[str]:
    return sorted(thing.name for thing in followed.objects)


def test_file_that_is_broken_now_says_what_it_said_before(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", small_camera("a"), small_camera("b"))
    followed = Followed([tmp_path])
    write(tmp_path / "a.yaml", small_camera("a", simulation={"width": 32}), small_camera("b", simulation={"width": -1}))
    followed.look()
    assert names(followed) == ["a", "b"]
    assert {thing.spec.source.simulation.width for thing in followed.objects} == {64}  # type: ignore[union-attr]
    assert len(followed.problems) == 1


def test_other_files_are_taken_over_meanwhile(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", small_camera("a"))
    followed = Followed([tmp_path])
    (tmp_path / "a.yaml").write_text("{")
    write(tmp_path / "b.yaml", small_camera("b"))
    followed.look()
    assert names(followed) == ["a", "b"]


def test_object_that_moved_out_of_a_file_that_is_broken_now_is_there_once(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", small_camera("a"))
    followed = Followed([tmp_path])
    (tmp_path / "a.yaml").write_text("{")
    write(tmp_path / "b.yaml", small_camera("a", simulation={"width": 32}))
    followed.look()
    assert [thing.spec.source.simulation.width for thing in followed.objects] == [32]  # type: ignore[union-attr]


def test_file_that_is_gone_says_nothing(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.yaml", small_camera("a")), write(tmp_path / "b.yaml", small_camera("b"))
    followed = Followed([first, second])
    first.unlink()
    followed.look()
    assert names(followed) == ["b"]
    assert followed.problems == []


def test_file_that_was_never_there_is_a_problem(tmp_path: Path) -> None:
    assert "missing.yaml" in Followed([tmp_path / "missing.yaml"]).problems[0]


def test_new_pipeline_of_a_camera_that_is_not_there_waits_for_it(tmp_path: Path) -> None:
    write(tmp_path / "other.yaml", small_camera("other"))
    followed = Followed([tmp_path])
    write(tmp_path / "pipe.yaml", small_pipeline())
    followed.look()
    assert names(followed) == ["other"]
    write(tmp_path / "cam.yaml", small_camera())
    followed.look()
    assert names(followed) == ["cam", "other", "pipe"]
    assert followed.problems == []


@pytest.mark.parametrize("given", ["file", "folder"])
def test_edit_is_noticed(tmp_path: Path, given: str) -> None:
    file = write(tmp_path / "a.yaml", small_camera("a"))
    followed = Followed([file if given == "file" else tmp_path])

    async def edit() -> None:
        stop, noticed = asyncio.Event(), asyncio.Event()
        following = asyncio.create_task(followed.follow(noticed.set, stop))
        try:
            async with asyncio.timeout(QUIET_S):
                # The watch begins at some time after this: edit until it is noticed.
                width = 64
                while not noticed.is_set():
                    width += 1
                    write(file, small_camera("a", simulation={"width": width}))
                    with_patience = asyncio.create_task(noticed.wait())
                    await asyncio.wait({with_patience}, timeout=0.5)
        finally:
            stop.set()
            await following

    asyncio.run(edit())
    assert [thing.spec.source.simulation.width for thing in followed.objects] != [64]  # type: ignore[union-attr]
