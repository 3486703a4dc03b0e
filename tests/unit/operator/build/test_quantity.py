"""Kubernetes quantities as numbers."""

from decimal import Decimal

import pytest

from camstream_operator.build.quantity import bytes_or_cores, same_quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", "0"),
        ("2", "2"),
        ("0.5", "0.5"),
        (".5", "0.5"),
        ("2.", "2"),
        ("500m", "0.5"),
        ("1k", "1000"),
        ("1M", "1000000"),
        ("1G", "1000000000"),
        ("1T", "1000000000000"),
        ("1Ki", "1024"),
        ("256Mi", "268435456"),
        ("1.5Gi", "1610612736"),
        ("1Ti", "1099511627776"),
    ],
)
def test_quantity_is_the_number_that_it_stands_for(text: str, number: str) -> None:
    assert bytes_or_cores(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1gi", "1K", "-1", "1e3", "ten", "1Gi\n"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        bytes_or_cores(text)


@pytest.mark.parametrize(
    ("written", "stored"),
    # As kube-apiserver 1.34 stores them.
    [("0.5", "500m"), ("2000m", "2"), ("1.5Gi", "1536Mi"), ("1000k", "1M"), ("0.0005", "1m"), ("0.0001Gi", "107374183m"), ("1Gi", "1Gi")],
)
def test_a_quantity_is_the_same_after_the_api_server_has_rewritten_it(written: str, stored: str) -> None:
    assert same_quantity(written, stored)


@pytest.mark.parametrize(
    ("one", "other"), [("500m", "501m"), ("1G", "1Gi"), ("1", "1Ki"), ("a", "a "), ("1", 1), (None, None), ("1", None)]
)
def test_another_quantity_and_what_is_none_is_not_the_same(one: object, other: object) -> None:
    assert not same_quantity(one, other)
