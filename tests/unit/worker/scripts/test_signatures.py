import textwrap

import numpy as np
import pytest

from camstream.errors import ScriptError
from camstream.frame import Timestamp
from camstream_worker.scripts.loader import load
from camstream_worker.scripts.signatures import (
    CUSTOM_FUNCTIONS,
    IMAGE_FUNCTIONS,
    RUN_FUNCTIONS,
    STREAM_FUNCTIONS,
    custom_function,
    image_function,
    run_function,
    stream_function,
)

IMAGE = np.arange(12, dtype=np.uint16).reshape(3, 4)
WHEN = Timestamp(1_700_000_000, 250_000_000)
ARGUMENTS = (IMAGE, 42, WHEN, np.arange(4, dtype=np.float32), np.arange(3, dtype=np.float32), {"gain": 3}, {"charge": 0.5})


def loaded(source, functions):
    return load(textwrap.dedent(source).lstrip(), "beam", None, functions, ())


def image(source):
    return image_function(loaded(source, IMAGE_FUNCTIONS))


def returning(expression):
    return image(f"import numpy as np\nfrom collections import *\ndef process(*a): return {expression}\n")(*ARGUMENTS)


# ------------------------------------------------------------------ arguments


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ("image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata", 7),
        ("image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata=None", 7),
        ("image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata=None, background=None", 7),
        ("image, pulse_id, timestamp, x_axis, y_axis, parameters", 6),
        ("image, pulse_id, timestamp, *, x_axis=None", None),
        ("i, p, t, x, y, q, /", 6),
        ("*everything", 7),
        ("image, *others, scale=1", 7),
    ],
)
def test_image_functions_are_called_with_seven_arguments_or_the_six_that_they_take(parameters, count):
    source = f"def process_image({parameters}):\n    return {{'count': sum(v is not None for v in locals().values())}}\n"
    if count is None:
        with pytest.raises(ScriptError):
            image(source)
        return
    found = image(source)(*ARGUMENTS)["count"]
    assert found == count if "*" not in parameters else found <= count


def test_arguments_arrive_as_cam_server_gave_them():
    give = image(
        """
        def process_image(image, pulse_id, timestamp, x_axis, y_axis, parameters, bsdata):
            sec, ns = timestamp
            assert isinstance(timestamp, tuple)
            return {"sum": image.sum(), "id": pulse_id, "sec": sec, "ns": ns, "x": x_axis[-1], "y": y_axis[-1],
                    "gain": parameters["gain"], "charge": bsdata["charge"]}
        """
    )
    assert give(*ARGUMENTS) == {"sum": 66, "id": 42, "sec": WHEN.sec, "ns": WHEN.ns, "x": 3, "y": 2, "gain": 3, "charge": 0.5}


@pytest.mark.parametrize(
    ("wrap", "functions", "parameters", "told"),
    [
        (image_function, IMAGE_FUNCTIONS, "image", r"7 or 6 arguments; change it to take \(image, pulse_id, timestamp, x_axis"),
        (image_function, IMAGE_FUNCTIONS, "a, b, c, d, e, f, g, h", "7 or 6 arguments"),
        (image_function, IMAGE_FUNCTIONS, "a, b, c, d, e, f, g, *, needed", "7 or 6 arguments"),
        (stream_function, STREAM_FUNCTIONS, "data, pulse_id", r"4 arguments; change it to take \(data, pulse_id, timestamp, parameters\)"),
        (custom_function, CUSTOM_FUNCTIONS, "", r"2 arguments; change it to take \(parameters, init\)"),
        (run_function, RUN_FUNCTIONS, "stop_event", r"9 arguments; change it to take \(stop_event, statistics,"),
    ],
)
def test_a_function_with_other_parameters_is_refused_before_the_first_frame(wrap, functions, parameters, told):
    name = functions[0]
    with pytest.raises(ScriptError, match=rf"script 'beam': <script beam>:2: {name}\({parameters.replace('*', '.')}\) cannot .* {told}"):
        wrap(loaded(f"x = 1\ndef {name}({parameters}): pass\n", functions))


def test_a_function_that_tells_no_parameters_is_called_with_all():
    assert (
        image("from builtins import max as process\nprocess = type('F', (), {'__call__': dict.fromkeys, '__signature__': 1})()\n")
        is not None
    )


def test_stream_functions_get_data_and_give_channels():
    script = loaded(
        "def process(data, pulse_id, timestamp, parameters):\n    return {'up': data['in'] + parameters['n'], 'id': pulse_id}\n",
        ("process",),
    )
    assert stream_function(script)({"in": 1.5}, 9, WHEN, {"n": 2}) == {"up": 3.5, "id": 9}


def test_run_functions_get_nine_arguments_and_their_errors_are_told():
    names = (
        "stop_event, statistics, parameter_queue, logs_queue, cam_client, pipeline_config, port, background_manager, user_scripts_manager"
    )
    seen = []
    script = loaded(f"def run({names}):\n    statistics.append(port)\n    raise OSError('no')\n", RUN_FUNCTIONS)
    with pytest.raises(ScriptError, match="<script beam>:3: OSError: no; in run"):
        run_function(script)(None, seen, None, None, None, {}, 9999, None, None)
    assert seen == [9999]


# ------------------------------------------------------------------ channels


@pytest.mark.parametrize(
    "expression",
    [
        "None", "{}", "{'a': None}", "{'a': 1}", "{'a': 1.5}", "{'a': True}", "{'a': 'text'}", "{'a': 'µm'}", "{'Ångström': 1}",
        "{'a': [1, 2.5]}", "{'a': [[1, 2], [3, 4]]}", "{'a': -2**63}", "OrderedDict(a=1)", "defaultdict(int, a=1)", "{'a': np.float32(1)}",
        "{'a': np.bool_(True)}", "{'a': np.uint64(2**64 - 1)}", "{'a': np.longlong(1)}", "{'a': np.str_('x')}", "{'a': np.zeros(0)}",
        "{'a': np.ones((2, 3), '>i2')}", "{'a': np.ma.ones(3)}", "{'a': np.array(3.5)}", "{'a': np.ones(3, np.longlong)}",
    ],
)  # fmt: skip
def test_what_bsread_can_carry_passes_as_it_is_and_can_be_encoded(expression):
    from camstream.wire import Encoder

    result = returning(expression)
    if result is not None:
        assert len(Encoder().encode(result, 1, WHEN)) == 2 + 2 * sum(value is not None for value in result.values())


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("{'peak': {'x': 1}}", "channel 'peak': bsread has no type for a dict; send a number, a string, a list of numbers or an array"),
        ("{'peak': (1, 2)}", "channel 'peak': bsread has no type for a tuple; send"),
        ("{'peak': b'raw'}", "channel 'peak': bsread has no type for a bytes; send"),
        ("{'peak': {1, 2}}", "channel 'peak': bsread has no type for a set; send"),
        (
            "{'peak': np.array([1, 'a'], object)}",
            "channel 'peak': bsread has no type for a ndarray of object; convert it to one of bool, int8",
        ),
        ("{'peak': np.array(['a'])}", "channel 'peak': bsread has no type for a ndarray of <U1"),
        ("{'peak': np.ones(2, complex)}", "channel 'peak': bsread has no type for a ndarray of complex128"),
        ("{'peak': np.float16(1)}", "channel 'peak': bsread has no type for a float16 of float16"),
        ("{'peak': 1j}", "channel 'peak': bsread has no type for a complex"),
        ("{'peak': 2**63}", "channel 'peak': a int that is no array: Python int too large"),
        ("{'peak': [[1], [1, 2]]}", "channel 'peak': a list that is no array"),
        ("{'peak': ['a', 'b']}", "channel 'peak': bsread has no type for a list of <U1"),
        (r"{'peak': '\udc80'}", "channel 'peak' a text that is not Unicode"),
        ("{3: 1}", "a channel whose name is a int (3); expected a text"),
        (r"{'\ud800': 1}", "a channel whose name is a str ("),
        ("{None: 1}", "a channel whose name is a NoneType (None); expected a text"),
        ("[1, 2]", "gave a list ([1, 2]); expected a dict of channel names and values, or None to send nothing"),
        ("np.ones((2, 3))", "gave an array of float64 and shape (2, 3); expected a dict"),
        ("type('Odd', (), {'__repr__': lambda self: 1 / 0})()", "gave a Odd; expected a dict"),
    ],
)
def test_what_bsread_cannot_carry_is_told_with_channel_function_and_what_to_do(expression, told):
    with pytest.raises(ScriptError) as caught:
        returning(expression)
    assert str(caught.value).startswith("script 'beam': <script beam>:3: process gave ")
    assert told in str(caught.value)


# ------------------------------------------------------------------ custom


def custom(expression):
    script = loaded(f"import numpy as np\ndef process(parameters, init): return {expression}\n", CUSTOM_FUNCTIONS)
    return custom_function(script)({"gain": 2}, True)


def test_custom_functions_give_channels_time_pulse_and_size():
    assert custom("({'a': parameters['gain'], 'first': init}, 12.5, 7, 100)") == (
        {"a": 2, "first": True},
        Timestamp(12, 500_000_000),
        7,
        100,
    )
    assert custom("[{'a': 1}, (12, 34), np.int64(7), 100.0]") == ({"a": 1}, Timestamp(12, 34), 7, 100)
    assert custom("({}, np.float64(3), np.uint32(7), 0)") == ({}, Timestamp(3, 0), 7, 0)


def test_custom_functions_may_give_nothing():
    assert custom("None") is None
    assert custom("(None, 1.0, 1, 1)") is None


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("{'a': 1}", "gave a dict ({'a': 1}); expected (data, timestamp, pulse_id, size), or None"),
        ("({'a': 1}, 1.0, 7)", "expected (data, timestamp, pulse_id, size)"),
        ("([1], 1.0, 7, 1)", "gave a list ([1]); expected a dict of channel names"),
        ("({}, 'now', 7, 1)", "gave a str ('now') as a timestamp; expected seconds since 1970, or (seconds, nanoseconds)"),
        ("({}, float('nan'), 7, 1)", "gave a float (nan) as a timestamp"),
        ("({}, (1, 10**9), 7, 1)", "gave a tuple ((1, 1000000000)) as a timestamp"),
        ("({}, (1, -1), 7, 1)", "gave a int (-1) as a timestamp"),
        ("({}, -1.0, 7, 1)", "gave a float (-1.0) as a timestamp"),
        ("({}, 1.0, None, 1)", "gave a NoneType (None) as a pulse_id; expected a whole number from 0 to 2^63 - 1"),
        ("({}, 1.0, 1.5, 1)", "gave a float (1.5) as a pulse_id"),
        ("({}, 1.0, 2**63, 1)", "as a pulse_id"),
        ("({}, 1.0, True, 1)", "gave a bool (True) as a pulse_id"),
        ("({}, 1.0, 7, 'big')", "gave a str ('big') as a size [byte]"),
    ],
)
def test_a_custom_result_of_another_form_is_told(expression, told):
    with pytest.raises(ScriptError) as caught:
        custom(expression)
    assert str(caught.value).startswith("script 'beam': <script beam>:2: process gave ")
    assert told in str(caught.value)
