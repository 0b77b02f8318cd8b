"""Numbers between bounds, as grammars: digit by digit."""

from services.runtime.llama.gbnf import choice, literal

#: No number is written with more digits than this: all of them survive in a double.
DIGITS = 15
LARGEST = 10**DIGITS - 1


def between(low: int, high: int, scale: int = 0) -> str:
    """Whole multiples of 10 ** -scale from `low` to `high`, both counted in that unit.

    With a scale of 2, `between(-50, 125, 2)` matches -0.50 to 1.25, always with two decimals.
    `low` <= `high`, both of at most `DIGITS` digits.
    """
    options = []
    if low < 0:
        options.append('"-" ' + choice(_positive(max(1, -high), -low, scale)))
    if high >= 0:
        options += _positive(max(0, low), high, scale)
    return choice(options)


def _positive(low: int, high: int, scale: int) -> list[str]:
    """By the number of digits; at least one stands before the decimal point."""
    options = []
    for length in range(max(len(str(low)), scale + 1), max(len(str(high)), scale + 1) + 1):
        least = 0 if length == scale + 1 else 10 ** (length - 1)
        first, last = max(low, least), min(high, 10**length - 1)
        if first <= last:
            options.append(_fixed(f"{first:0{length}}", f"{last:0{length}}", scale))
    return options


def _fixed(low: str, high: str, scale: int) -> str:
    """Digits of one length, from `low` to `high`; the point stands before the last `scale`."""
    if not low:
        return literal("")
    point = '"." ' if len(low) == scale else ""
    rest = len(low) - 1
    zeros, nines = "0" * rest, "9" * rest
    if low[0] == high[0]:
        tail = f" {_fixed(low[1:], high[1:], scale)}" if rest else ""
        return f"{point}{literal(low[0])}{tail}"
    options = []
    first, last = int(low[0]), int(high[0])
    if low[1:] != zeros:
        options.append(f"{literal(low[0])} {_fixed(low[1:], nines, scale)}")
        first += 1
    if high[1:] != nines:
        options.append(f"{literal(high[0])} {_fixed(zeros, high[1:], scale)}")
        last -= 1
    if first <= last:
        options.append(f"[{first}-{last}]{_free(rest, scale)}")
    return point + choice(options)


def _free(digits: int, scale: int) -> str:
    """Any digits, with a space before them."""
    if not digits:
        return ""
    if digits < scale or not scale:
        return f" [0-9]{{{digits}}}"
    before = f" [0-9]{{{digits - scale}}}" if digits > scale else ""
    return f'{before} "." [0-9]{{{scale}}}'
