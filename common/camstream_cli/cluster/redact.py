"""Secrets out of objects and texts, before anybody else sees them. Pure.

Rather too much than too little: of environment variables, only values of those that are known to be harmless stay.
"""

import hashlib
import json
import re
from typing import Any, Final

REMOVED: Final = "REMOVED"

WORDS: Final = (
    r"passw|passphrase|pwd|(?<![a-z])pass(?![a-z])|secret|token|credential|api_?-?key|access_?-?key|private_?-?key|authorization|cookie"
)
"""What the name of a secret has in it."""
SECRET: Final = re.compile(WORDS, re.I)
REFERENCE: Final = re.compile(r"(name|ref|refs|mount|policy|class|pullsecrets)$", re.I)
"""End of keys that say where a secret is, and not what it is: secretName, secretKeyRef."""
OPTION: Final = re.compile(rf"--?[\w-]*({WORDS})[\w-]*", re.I)
"""An argument whose value is the next one."""

HARMLESS: Final = re.compile(r"^(EPICS_|OMP_|NUMBA_|OPENBLAS_|POD_|CAMSTREAM_)")

VALUE: Final = r"""("[^"\n]*"|'[^'\n]*'|[^\s"',;&}]+)"""
TEXTS: Final = (
    (re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.S), REMOVED),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), REMOVED),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.I), rf"\1 {REMOVED}"),
    (re.compile(r"(://)[^\s/@:]*:[^\s/@]+@"), rf"\1{REMOVED}@"),
    (re.compile(rf"""(\w*(?:{WORDS})\w*["']?\s*[=:]\s*){VALUE}""", re.I), rf"\1{REMOVED}"),
    (re.compile(rf"(?<!\S)(--?[\w-]*(?:{WORDS})[\w-]*[^\S\n]+){VALUE}", re.I), rf"\1{REMOVED}"),
)

NOISE: Final = ("managedFields",)
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""A second copy of the object, as one text."""


def redact(value: Any, key: str = "") -> Any:
    """The same without secrets.

    :param value: what JSON can say
    :param key: under which it stands
    """
    if isinstance(value, dict):
        if key != "" and SECRET.search(key) and not REFERENCE.search(key):
            return dict.fromkeys(value, REMOVED)
        if isinstance(value.get("name"), str) and isinstance(value.get("value"), str):
            kept = HARMLESS.match(value["name"]) and not SECRET.search(value["name"])
            value = value | {"value": value["value"] if kept else REMOVED}
        if key == "script" and isinstance(value.get("source"), str):
            value = value | {"source": _program(value["source"])}
        return {name: redact(part, name) for name, part in value.items() if name not in (*NOISE, LAST_APPLIED)}
    if isinstance(value, list):
        return [
            REMOVED if isinstance(part, str) and isinstance(before, str) and OPTION.fullmatch(before) else redact(part, key)
            for before, part in zip((None, *value), value, strict=False)
        ]
    if isinstance(value, str):
        return REMOVED if value and SECRET.search(key) and not REFERENCE.search(key) else redact_text(value)
    return value


def _program(text: str) -> str:
    """Instead of a user's program: no pattern finds what is a secret in it. With the hash, its author can say which version it is."""
    if text.startswith(REMOVED):
        return text
    return f"{REMOVED}: {len(text.splitlines())} lines, SHA-256 {hashlib.sha256(text.encode(errors='replace')).hexdigest()}"


def redact_text(text: str) -> str:
    """A log, or a text in an object. What is JSON as a whole is read as such."""
    if text.lstrip().startswith("{"):
        try:
            return json.dumps(redact(json.loads(text)), indent=1)
        except ValueError:
            pass
    for pattern, instead in TEXTS:
        text = pattern.sub(instead, text)
    return text
