"""Kubernetes quantities as numbers."""

import re
from decimal import ROUND_CEILING, Decimal
from typing import Final

FACTORS: Final = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}

FORM: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|)")


def bytes_or_cores(text: str) -> Decimal:
    """:raises ValueError: if it is no quantity"""
    found = FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no quantity")
    return Decimal(found[1]) * FACTORS[found[2]]


def same_quantity(one: object, other: object) -> bool:
    """Whether both are quantities, and the same: the API server writes ``0.5`` as ``500m``, and rounds up to thousandths."""
    try:
        return isinstance(one, str) and isinstance(other, str) and _as_stored(one) == _as_stored(other)
    except ValueError:
        return False


def _as_stored(text: str) -> Decimal:
    return (bytes_or_cores(text) / FACTORS["m"]).to_integral_value(ROUND_CEILING)
