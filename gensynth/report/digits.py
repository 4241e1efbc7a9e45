"""How the page writes a number: significant digits, signs and percentages that print has."""

from __future__ import annotations


def number(value: float | int) -> str:
    """Three significant digits for fractions, whole numbers in full.

    >>> [number(v) for v in (0.81239, -12.0, 12345, 98765.4, 0.00001234, 0.0, 1.0)]
    ['0.812', '−12.0', '12,345', '98,800', '1.23e−5', '0', '1.00']
    """
    if isinstance(value, int):
        text = f"{value:,}" if abs(value) >= 10_000 else str(value)
    elif value == 0:
        text = "0"
    elif abs(value) < 1e-4 or abs(value) >= 1e9:
        mantissa, exponent = f"{value:.2e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    elif abs(value) >= 99.95:
        rounded = float(f"{value:.3g}")
        text = f"{rounded:,.0f}" if abs(rounded) >= 10_000 else f"{rounded:.0f}"
    else:
        text = f"{value:#.3g}"
    return text.replace("-", "−")


def signed(value: float, digits: int) -> str:
    """`+0.012`, with the sign that print has."""
    return f"{value:+.{digits}f}".replace("-", "−")


def percent(share: float) -> str:
    """A share as a whole percentage; below one percent as it is.

    >>> percent(0.123), percent(0.004), percent(0.0)
    ('12 %', '0.4 %', '0 %')
    """
    value = 100 * share
    return f"{value:.1f} %" if 0 < value < 1 else f"{value:.0f} %"
