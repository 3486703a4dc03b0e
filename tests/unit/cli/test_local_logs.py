from pathlib import Path

from camstream_cli.local.logs import keep_short, last_lines


def test_last_lines_are_those_with_something_in_them(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\n\ntwo\nthree  \n\n")
    assert last_lines(log, 2) == ["two", "three"]


def test_a_log_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "log", 2) == []


def test_long_log_is_cut_to_its_end_under_the_writer(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("a") as writer:
        for number in range(1000):
            writer.write(f"line {number}\n")
        writer.flush()
        keep_short(log, limit=5000)
        writer.write("after\n")
    lines = log.read_text().splitlines()
    assert lines[0] == "(older lines were removed)"
    assert lines[-2:] == ["line 999", "after"]
    assert log.stat().st_size < 5000


def test_short_log_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\n")
    keep_short(log, limit=5000)
    keep_short(tmp_path / "missing")
    assert log.read_text() == "one\n"
