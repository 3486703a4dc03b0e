"""What is remembered of the API server's answers, and which rights a request takes."""

import asyncio
from typing import Any

import pytest

from camstream_gateway.reviews import ACCESS_REVIEWS, PERSON_S, RIGHT_S, TOKEN_REVIEWS, Remembered, Reviews
from camstream_gateway.security import Person, Right, Visit, Withdrawn, withdrawn
from camstream_gateway.store import Unavailable

GET = Right("get", "cameras", "gun")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class ApiServer:
    """Answers as the test says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.code = 201
        self.statuses = {TOKEN_REVIEWS: {"authenticated": True, "user": {"username": "ann"}}, ACCESS_REVIEWS: {"allowed": True}}

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.asked.append((path, body["spec"]))
        return self.code, {"status": self.statuses[path]}


def test_answers_are_bounded_in_number_and_time() -> None:
    clock = Clock()
    answers: Remembered[str, int] = Remembered(clock, most=3)
    for number in range(10):
        answers.put(str(number), number, 60)
    assert len(answers) == 3
    assert (answers.get("6"), answers.get("9")) == (None, (9,))
    clock.now += 60
    assert answers.get("9") is None


def test_person_is_asked_about_once_a_minute_and_a_right_every_ten_seconds() -> None:
    async def run() -> None:
        clock, server = Clock(), ApiServer()
        gate = Reviews(server.post, clock)
        paths = []
        for passed_s in (0, RIGHT_S - 1, 1, PERSON_S - RIGHT_S - 1, 1):
            clock.now += passed_s
            person = await gate.person(b"token")
            assert person == Person("ann")
            assert await gate.may(person, GET)
            paths.append([path for path, _ in server.asked])
            server.asked.clear()
        both, right = [TOKEN_REVIEWS, ACCESS_REVIEWS], [ACCESS_REVIEWS]
        assert paths == [both, [], right, right, both[:1]]

    asyncio.run(run())


def test_token_of_nobody_is_asked_about_again_soon() -> None:
    async def run() -> None:
        clock, server = Clock(), ApiServer()
        server.statuses[TOKEN_REVIEWS] = {"error": "invalid bearer token"}
        gate = Reviews(server.post, clock)
        assert await gate.person(b"early") is None
        server.statuses[TOKEN_REVIEWS] = {"authenticated": True, "user": {"username": "ann"}}
        assert await gate.person(b"early") is None
        clock.now += RIGHT_S
        assert await gate.person(b"early") == Person("ann")

    asyncio.run(run())


def test_everything_that_is_known_of_a_person_is_asked_about_and_one_is_not_taken_for_another() -> None:
    async def run() -> None:
        server = ApiServer()
        user = {"username": "ann", "uid": "7", "groups": ["laser"], "extra": {"scopes": ["a", "b"]}}
        server.statuses[TOKEN_REVIEWS] = {"authenticated": True, "user": user}
        gate = Reviews(server.post, Clock())
        person = await gate.person(b"token")
        assert person is not None
        assert await gate.may(person, Right("patch", "pipelines", "gun", "fit"))
        attributes = {"group": "camstream.dev", "verb": "patch", "resource": "pipelines", "namespace": "gun", "name": "fit"}
        assert server.asked[-1][1] == {
            "user": "ann",
            "uid": "7",
            "groups": ["laser"],
            "extra": {"scopes": ["a", "b"]},
            "resourceAttributes": attributes,
        }
        server.statuses[ACCESS_REVIEWS] = {"allowed": False}
        assert not await gate.may(Person("bob", groups=("laser",)), Right("patch", "pipelines", "gun", "fit"))

    asyncio.run(run())


@pytest.mark.parametrize("token", [None, b"", "\u00e9".encode(), b"\xff"])
def test_what_can_be_no_token_is_not_asked_about(token: bytes | None) -> None:
    async def run() -> None:
        server = ApiServer()
        assert await Reviews(server.post, Clock()).person(token) is None
        assert server.asked == []

    asyncio.run(run())


@pytest.mark.parametrize("code", [400, 403, 429, 500, 503])
def test_failure_of_the_api_server_is_no_answer_and_is_not_remembered(code: int) -> None:
    async def run() -> None:
        server = ApiServer()
        gate = Reviews(server.post, Clock())
        server.code = code
        for question in (gate.person(b"token"), gate.may(Person("ann"), GET)):
            with pytest.raises(Unavailable, match="does not answer the"):
                await question
        server.code = 201
        assert await gate.person(b"token") == Person("ann")
        assert await gate.may(Person("ann"), GET)

    asyncio.run(run())


def test_who_was_let_in_is_sent_away_when_the_token_or_a_right_is_gone_and_not_while_that_is_unknown() -> None:
    async def run() -> None:
        clock, server = Clock(), ApiServer()
        gate = Reviews(server.post, clock)
        visit = Visit(gate, b"token", Person("ann"), (GET,))
        assert await withdrawn(visit) is None
        server.statuses[ACCESS_REVIEWS] = {"allowed": False}
        assert await withdrawn(visit) is None, "it is remembered"
        clock.now += RIGHT_S
        assert await withdrawn(visit) == Withdrawn(4403, "you may no longer get cameras in the namespace 'gun'")
        server.statuses[TOKEN_REVIEWS] = {"authenticated": False}
        clock.now += PERSON_S
        server.code = 503
        with pytest.raises(Unavailable):
            await withdrawn(visit)
        server.code = 201
        assert await withdrawn(visit) == Withdrawn(4401, "the token is no longer valid")

    asyncio.run(run())


def test_reason_has_room_in_a_websocket_however_long_names_are() -> None:
    async def run() -> None:
        server = ApiServer()
        server.statuses[ACCESS_REVIEWS] = {"allowed": False}
        found = await withdrawn(Visit(Reviews(server.post), b"token", Person(), (Right("list", "pipelines", "n" * 63, "c" * 253),)))
        assert found is not None
        assert len(found.reason.encode()) <= 123

    asyncio.run(run())
