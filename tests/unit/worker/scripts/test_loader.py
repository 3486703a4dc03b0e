import hashlib
import pickle
import sys
import textwrap
import traceback
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from camstream.errors import FrameError, ScriptError
from camstream_worker.scripts.libraries import LibraryFolder
from camstream_worker.scripts.loader import Script, load, module_path

DEFAULTS = ("process_image", "process")


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    modules, path, finders = dict(sys.modules), list(sys.path), list(sys.meta_path)
    yield
    for name in set(sys.modules) - set(modules):
        if getattr(sys.modules[name], "__spec__", None) is None or name.startswith(("tool", "kit", "cam_server")):
            del sys.modules[name]
    sys.path[:], sys.meta_path[:] = path, finders


def text(source: str) -> str:
    return textwrap.dedent(source).lstrip()


def script(source: str, name: str = "beam", function: str | None = None, libraries: tuple[Path, ...] = ()) -> Script:
    return load(text(source), name, function, DEFAULTS, libraries)


def written(path: Path, source: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(source))
    return path


def refusal(source: str, **options: object) -> str:
    with pytest.raises(ScriptError) as caught:
        script(source, **options)  # type: ignore[arg-type]
    return str(caught.value)


def failure(loaded: Script, *args: object) -> str:
    with pytest.raises(ScriptError) as caught:
        loaded.call(*args)
    return str(caught.value)


# ------------------------------------------------------------------ what is loaded


def test_the_first_default_function_that_is_there_is_called_with_what_it_is_given():
    assert script("def process(a, b):\n    return a - b\n").call(5, 2) == 3
    both = script("def process(a): return 'process'\ndef process_image(a): return 'process_image'\n")
    assert both.call(0) == "process_image"


def test_a_named_function_wins_over_the_default_ones():
    assert script("def process(): return 1\ndef other(): return 2\n", function="other").call() == 2


def test_a_script_tells_name_hash_and_path(tmp_path):
    source = "def process(): return 'µm'\n"
    path = tmp_path / "beam.py"
    path.write_text(source, encoding="utf-8")
    from_file, inline = load(path, "beam", None, DEFAULTS, ()), script(source)
    assert (from_file.name, from_file.path, inline.path) == ("beam", path, None)
    assert from_file.sha256 == inline.sha256 == hashlib.sha256(source.encode()).hexdigest()
    with pytest.raises(AttributeError):
        inline.name = "other"


def test_a_file_may_declare_its_encoding(tmp_path):
    path = tmp_path / "old.py"
    path.write_bytes("# coding: latin-1\ndef process(): return 'Å'\n".encode("latin-1"))
    assert load(path, "old", None, DEFAULTS, ()).call() == "Å"


def test_a_class_can_be_taken_as_well():
    loaded = script("class Camera:\n    def __init__(self, config): self.config = config\n", function="Camera")
    assert loaded.call({"width": 3}).config == {"width": 3}


def test_a_script_finds_its_own_module_by_name_while_it_is_loaded_and_afterwards():
    loaded = script(
        """
        import sys
        me = sys.modules[__name__]
        def process():
            return __name__, me is sys.modules[__name__], me.process is process
        """,
        name="SARES20-CAMS142-M5_proc",
    )
    assert loaded.call() == ("SARES20-CAMS142-M5_proc", True, True)


def test_dataclasses_and_pickles_work_as_in_any_module():
    loaded = script(
        """
        from __future__ import annotations
        from dataclasses import dataclass
        @dataclass
        class Peak:
            x: float
        def process(): return Peak(2.5)
        """
    )
    peak = loaded.call()
    assert pickle.loads(pickle.dumps(peak)) == peak


@pytest.mark.parametrize("name", ["json", "numpy", "secrets", "__main__", "camstream_worker.scripts.loader"])
def test_a_script_named_like_an_installed_module_does_not_replace_it(name):
    before = sys.modules.get(name)
    loaded = script("import json, numpy, secrets\ndef process(): return __name__, numpy.ones(2).sum()\n", name=name)
    assert loaded.call() == (f"script_{name}", 2.0)
    assert before is None or sys.modules[name] is before


# ------------------------------------------------------------------ reload


def test_a_later_load_gives_new_code_and_the_old_script_keeps_its_own():
    old = script("factor = 2\ndef process(x): return helper(x)\ndef helper(x): return factor * x\n")
    new = script("factor = 3\ndef process(x): return helper(x)\ndef helper(x): return factor * x\n")
    assert (old.call(10), new.call(10)) == (20, 30)
    assert old.sha256 != new.sha256


def test_names_of_the_version_before_are_gone_after_a_reload():
    script("left_over = 1\ndef process(): return left_over\n")
    assert "NameError: name 'left_over' is not defined" in failure(script("def process(): return left_over\n"))


@pytest.mark.parametrize(
    "source", ["def process(:\n", "def process(): return 2\nraise ValueError('no')\n", "import nowhere_at_all\n", "x = 1\n"]
)
def test_after_a_failed_load_the_module_from_before_is_still_known(source):
    script("def process(): return 1\n")
    before = sys.modules["beam"]
    refusal(source)
    assert sys.modules["beam"] is before


def test_after_a_failed_first_load_nothing_is_known():
    refusal("half = 1\nraise ValueError('no')\n", name="never")
    assert "never" not in sys.modules


# ------------------------------------------------------------------ libraries


def test_modules_of_libraries_are_imported_anew_with_each_load(tmp_path):
    written(tmp_path / "tool_gain.py", "GAIN = 2\n")
    written(tmp_path / "kit" / "__init__.py", "from kit.offset import OFFSET\n")
    written(tmp_path / "kit" / "offset.py", "OFFSET = 5\n")
    source = "from tool_gain import GAIN\nfrom kit import OFFSET\ndef process(x): return GAIN * x + OFFSET\n"
    old = script(source, libraries=(tmp_path,))
    written(tmp_path / "tool_gain.py", "GAIN = 30000\n")
    written(tmp_path / "kit" / "offset.py", "OFFSET = 70000\n")
    new = script(source, libraries=(tmp_path,))
    assert (old.call(1), new.call(1)) == (7, 100_000)


def test_a_library_folder_is_on_the_path_once_and_last(tmp_path):
    for _ in range(3):
        script("def process(): pass\n", libraries=(tmp_path, tmp_path))
    assert sys.path.count(str(tmp_path)) == 1
    assert sys.path[-1] == str(tmp_path)


def test_modules_that_lie_elsewhere_stay(tmp_path):
    import camstream.frame

    package = Path(np.__file__).parents[1]
    script("import numpy\ndef process(): pass\n", libraries=(tmp_path, package, Path("/")))
    assert sys.modules["numpy"] is np
    assert sys.modules["camstream.frame"] is camstream.frame


def test_a_failed_load_leaves_the_libraries_that_the_old_script_imported(tmp_path):
    written(tmp_path / "tool_gain.py", "GAIN = 2\n")
    old = script("import tool_gain, sys\ndef process(): return sys.modules['tool_gain'] is tool_gain\n", libraries=(tmp_path,))
    written(tmp_path / "tool_gain.py", "GAIN = 2\nraise RuntimeError('broken now')\n")
    message = refusal("import tool_gain\n", libraries=(tmp_path,))
    assert f"{tmp_path}/tool_gain.py:2: RuntimeError: broken now; in <module>: raise RuntimeError('broken now')" in message
    assert old.call() is True


def test_a_missing_library_folder_is_told(tmp_path):
    assert f"library folder {tmp_path / 'lib'} does not exist; create it" in refusal("", libraries=(tmp_path / "lib",))


def test_a_folder_that_was_on_the_path_before_is_nobodys_library(tmp_path, monkeypatch):
    written(tmp_path / "tool_own.py", "")
    monkeypatch.syspath_prepend(str(tmp_path))
    import tool_own

    script("def process(): pass\n", libraries=(tmp_path,))
    assert sys.modules["tool_own"] is tool_own
    assert not any(isinstance(entry, LibraryFolder) for entry in sys.path)


# ------------------------------------------------------------------ modules of the image


def test_a_module_of_a_package_is_loaded_anew_and_may_import_relatively(tmp_path):
    written(tmp_path / "kit" / "__init__.py", "")
    written(tmp_path / "kit" / "common.py", "UNIT = 'mm'\n")
    file = written(tmp_path / "kit" / "beam.py", "from .common import UNIT\ndef process(): return UNIT, __name__\n")
    path = module_path("kit.beam", [tmp_path])
    assert path == file
    assert load(path, "kit.beam", None, DEFAULTS, [tmp_path]).call() == ("mm", "kit.beam")


def test_an_installed_module_is_found_again_after_it_was_loaded_as_a_script():
    name = "camstream_worker.scripts.psen"
    sys.modules.pop(name, None)
    path = module_path(name, [])
    first = load(path, name, None, DEFAULTS, [])
    assert sys.modules[name] is sys.modules[first.function.__module__]
    assert module_path(name, []) == path
    again = load(path, name, None, DEFAULTS, [])
    assert again.function is not first.function
    assert again.function.__module__ == name


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere_at_all", "no such module; install it in the worker's image"),
        ("nowhere_at_all.beam", "cannot be imported: No module named 'nowhere_at_all'"),
        ("math", "is not written in Python"),
    ],
)
def test_a_module_that_cannot_be_loaded_is_told(name, told):
    with pytest.raises(ScriptError) as caught:
        module_path(name, [])
    assert str(caught.value).startswith(f"script {name!r}: ")
    # math is compiled into some interpreters and a file of its own in others.
    assert told in str(caught.value) or (name == "math" and "no such module" in str(caught.value))


# ------------------------------------------------------------------ errors while loading


def test_a_syntax_error_has_file_line_and_text():
    message = refusal("x = 1\ndef process(\n    return 1\n")
    assert message == "script 'beam': <script beam>:2: SyntaxError: '(' was never closed; line: def process("


def test_a_syntax_error_in_a_library_is_told_at_its_own_place(tmp_path):
    written(tmp_path / "tool_bad.py", "a = 1\nb = = 2\n")
    message = refusal("import tool_bad\n", libraries=(tmp_path,))
    assert message == f"script 'beam': {tmp_path}/tool_bad.py:2: SyntaxError: invalid syntax; line: b = = 2"


def test_a_failing_import_has_the_line_that_imports():
    message = refusal("import numpy\nimport nowhere_at_all\n")
    assert message == (
        "script 'beam': <script beam>:2: ModuleNotFoundError: No module named 'nowhere_at_all'; in <module>: import nowhere_at_all"
    )


@pytest.mark.parametrize(
    "statement", ["import sys; sys.exit(3)", "raise SystemExit(3)", "raise KeyboardInterrupt", "exit = 1; raise GeneratorExit"]
)
def test_a_script_cannot_end_the_worker(statement):
    assert "<script beam>:1:" in refusal(statement)
    assert "<script beam>:2:" in failure(script(f"def process():\n    {statement}\n"))


def test_a_missing_function_is_told_with_those_that_are_there():
    message = refusal("from math import sin\ndef analyse(): pass\nprocess = 3\n")
    assert message == (
        "script 'beam': <script beam>:1: expected a function named process_image or process, found analyse; "
        "write it, or name another in script.function"
    )
    assert "expected a function named fit, found none" in refusal("", function="fit")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ScriptError, match=r"beam.py cannot be read: No such file or directory; the path is as the worker sees it"):
        load(tmp_path / "beam.py", "beam", None, DEFAULTS, ())


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"# coding: no-such-code\n", b"x = '\xe9'\n"])
def test_a_file_that_is_no_text_is_told(tmp_path, content):
    (tmp_path / "beam.py").write_bytes(content)
    with pytest.raises(ScriptError, match="is no Python text"):
        load(tmp_path / "beam.py", "beam", None, DEFAULTS, ())


def test_text_with_a_zero_byte_is_told():
    assert "null bytes" in refusal("x = 1\0\n")


# ------------------------------------------------------------------ errors while running


def test_an_error_is_told_with_the_users_innermost_line(tmp_path):
    path = written(
        tmp_path / "beam.py",
        """
        import numpy as np

        def centre(profile):
            return np.average(profile, weights=np.zeros(3))

        def process_image(image):
            return {"x": centre(image.sum(axis=0))}
        """,
    )
    message = failure(load(path, "beam", None, DEFAULTS, ()), np.ones((2, 3)))
    assert message == (
        f"script 'beam': {path}:4: ZeroDivisionError: Weights sum to zero, can't be normalized; "
        "in centre: return np.average(profile, weights=np.zeros(3))"
    )


def test_a_line_of_a_library_counts_as_the_users_own(tmp_path):
    path = written(tmp_path / "tool_fit.py", "def fit(x):\n    return 1 / x\n")
    message = failure(script("import tool_fit\ndef process(x): return tool_fit.fit(x)\n", libraries=(tmp_path,)), 0)
    assert message == f"script 'beam': {path}:2: ZeroDivisionError: division by zero; in fit: return 1 / x"


def test_the_line_told_is_that_of_the_loaded_text_although_the_file_has_changed(tmp_path):
    path = written(tmp_path / "beam.py", "def process():\n    return missing\n")
    loaded = load(path, "beam", None, DEFAULTS, ())
    written(path, "# a new line\n# another\n")
    assert failure(loaded).endswith("in process: return missing")


def test_an_error_is_chained_and_the_lines_of_inline_text_are_in_its_traceback():
    loaded = script("def process():\n    return {}['image']\n")
    with pytest.raises(ScriptError) as caught:
        loaded.call()
    assert isinstance(caught.value, FrameError)
    assert isinstance(caught.value.__cause__, KeyError)
    shown = "".join(traceback.format_exception(caught.value))
    assert "File \"<script beam>\", line 2, in process\n    return {}['image']" in shown


def test_long_texts_and_lines_are_cut_and_line_ends_taken_out():
    message = failure(script("def process():\n    raise ValueError('a\\nb' + 'x' * 10**6)" + " # " + "y" * 10_000 + "\n"))
    assert "ValueError: a bxxx" in message
    assert "\n" not in message
    assert len(message) < 1200


def test_an_exception_that_cannot_be_told_is_told_by_its_class():
    source = "class Odd(Exception):\n    def __str__(self): raise RuntimeError\ndef process():\n    raise Odd\n"
    assert "<script beam>:4: beam.Odd" in failure(script(source))


def test_endless_recursion_and_lack_of_memory_are_script_errors():
    assert "RecursionError" in failure(script("def process(): return process()\n"))
    assert "MemoryError" in failure(script("def process():\n    import numpy as np\n    return np.empty(2**62, 'u1')\n"))


def test_without_a_line_of_the_user_the_function_is_named():
    message = failure(script("from functools import partial\nprocess = partial(int, 'three')\n"))
    assert message == "script 'beam': <script beam>: partial: ValueError: invalid literal for int() with base 10: 'three'"
