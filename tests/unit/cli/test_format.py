import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console, RenderableType

from camstream.spec.status import Condition, ConditionStatus, ImageStatus, Phase
from camstream.spec.view import ObjectView
from camstream_cli.format import WIDTH, json_value, object_details, object_line, objects_table, picture, range_text, shrink, value_text


def make_view(**more: Any) -> ObjectView:
    fields: dict[str, Any] = {
        "kind": "Camera",
        "name": "demo-camera",
        "namespace": "default",
        "external_name": "demo-camera",
        "phase": Phase.RUNNING,
        "address": "tcp://127.0.0.1:12000",
        "rate": 25.04,
        "image": ImageStatus(width=1280, height=960, pixel_type="uint16"),
        "clients": 2,
        "drops": 7,
    }
    return ObjectView(**(fields | more))


def text_of(renderable: RenderableType) -> list[str]:
    console = Console(file=io.StringIO(), width=WIDTH, no_color=True)
    console.print(renderable, highlight=False)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_table_has_one_row_per_object() -> None:
    header, row = text_of(objects_table([make_view()]))
    assert header.split() == ["NAME", "KIND", "STATE", "HZ", "SIZE", "CLIENTS", "DROPS", "ADDRESS"]
    assert row.split() == ["demo-camera", "Camera", "Running", "25.0", "1280x960", "uint16", "2", "7", "tcp://127.0.0.1:12000"]


def test_row_of_usual_names_stays_on_one_line_of_100_columns() -> None:
    view = make_view(name="sares20-cams142-m5", kind="Pipeline", phase=Phase.COMPLETED, rate=1234.5, drops=123456)
    assert len(text_of(objects_table([view]))) == 2


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_can_be_shown(phase: Phase) -> None:
    view = make_view(phase=phase, message="so it is")
    assert phase.value in text_of(objects_table([view]))[1]
    assert f"{phase.value}: so it is" in " ".join(text_of(object_details(view)))


def test_background_has_its_id_and_nothing_of_a_stream() -> None:
    image = ImageStatus(width=64, height=48, pixel_type="uint16")
    view = ObjectView(
        kind="Background", name="dark", namespace="default", external_name="dark", phase=Phase.COMPLETED, stored="ID", image=image
    )
    assert text_of(objects_table([view]))[1].split() == ["dark", "Background", "Completed", "-", "64x48", "uint16", "-", "-", "ID"]
    assert object_line(view) == "background/dark Completed ID"
    rows = [line.split(maxsplit=1) for line in text_of(object_details(view))[:5]]
    assert rows[:4] == [["Background", "dark"], ["state", "Completed"], ["stored", "ID"], ["images", "64x48 uint16"]]
    assert rows[4] == []


def test_long_name_is_folded_and_never_cut() -> None:
    name = "a-long-name-of-forty-characters-in-total"
    first, *more = text_of(objects_table([make_view(name=name)]))[1:]
    assert first.split()[0] + "".join(line.strip() for line in more) == name


def test_long_address_is_folded_and_never_cut() -> None:
    address = "tcp://a-host-with-a-rather-long-name.some-domain.example.org:12000"
    first, *more = text_of(objects_table([make_view(address=address)]))[1:]
    assert first.split()[-1] + "".join(line.strip() for line in more) == address


def test_what_is_wrong_is_told_in_full_below_the_table() -> None:
    lines = text_of(objects_table([make_view(phase=Phase.FAILED, message="it ended with exit code 1", restarts=3)]))
    assert lines[-1] == "demo-camera: it ended with exit code 1 (started again 3 times)"


def test_unknown_facts_are_dashes() -> None:
    view = make_view(rate=None, image=ImageStatus(), clients=None, drops=None, address=None)
    assert text_of(objects_table([view]))[1].split()[3:] == ["-"] * 5


def test_line_tells_state_and_address() -> None:
    assert object_line(make_view()) == "camera/demo-camera Running tcp://127.0.0.1:12000"
    assert object_line(make_view(phase=Phase.FAILED, message="gone")) == "camera/demo-camera Failed tcp://127.0.0.1:12000: gone"


def test_details_show_conditions_with_their_messages() -> None:
    condition = Condition(
        type="Ready", status=ConditionStatus.FALSE, reason="Waiting", message="no frames", last_transition_time="2026-08-21T12:00:00Z"
    )
    lines = text_of(object_details(make_view(conditions=[condition], dropped={"input/newest": 7})))
    assert any(line.split() == ["dropped", "7", "(input/newest", "7)"] for line in lines)
    assert lines[-1].split() == ["Ready", "False", "Waiting", "2026-08-21T12:00:00Z", "no", "frames"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (3, "3"),
        (np.int64(3), "3"),
        (1 / 3, "0.333333"),
        (np.float32(2.5), "2.5"),
        ("short", "short"),
        ("x" * 50, "x" * 39 + "…"),
        (np.zeros((3, 4), np.uint16), "4x3 uint16 0..0"),
        (np.array([1.5, -2.0]), "2 float64 -2..1.5"),
        (np.zeros((0, 4), np.uint16), "4x0 uint16"),
    ],
)
def test_value_of_a_channel_is_short(value: Any, text: str) -> None:
    assert value_text(value) == text


def test_range_of_what_has_none_is_empty() -> None:
    assert range_text(np.array(["a"])) == ""


@pytest.mark.parametrize(("value", "expected"), [(np.float64("nan"), None), (float("inf"), None), (np.int32(4), 4), (np.array(2.0), 2.0)])
def test_json_knows_plain_numbers_only(value: Any, expected: Any) -> None:
    assert json_value(value) == expected


def test_shrunk_image_has_the_mean_of_each_block() -> None:
    image = np.array([[1, 3, 5, 7], [1, 3, 5, 7]])
    assert shrink(image, 1, 2).tolist() == [[2.0, 6.0]]


def test_picture_keeps_the_proportions_within_its_limits() -> None:
    lines = picture(np.zeros((480, 640), np.uint16), columns=60, lines=22).plain.splitlines()
    assert len(lines) == 22
    assert {len(line) for line in lines} == {59}


def test_picture_of_a_small_image_is_not_made_larger() -> None:
    assert [len(line) for line in picture(np.zeros((8, 10), np.uint8), columns=60, lines=22).plain.splitlines()] == [10] * 4


@pytest.mark.parametrize("image", [np.full((1, 1), 7.0), np.full((4, 4), np.nan), np.zeros((3, 1), np.uint8)], ids=["1x1", "nan", "thin"])
def test_picture_of_an_odd_image_is_drawn_all_the_same(image: Any) -> None:
    assert picture(image, columns=60, lines=22).plain.strip()


def test_brightest_spot_of_the_picture_is_where_the_image_is_largest() -> None:
    image = np.zeros((4, 4))
    image[0, 3] = 1
    text = picture(image, columns=60, lines=22)
    bright = [span.start for span in text.spans if "color" in repr(span.style) and span.style.color.triplet.red > 200]  # type: ignore[union-attr]
    assert bright == [3]
