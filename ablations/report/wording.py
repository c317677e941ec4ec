"""Findings in words and figures in their units: what both reports say."""

from ablations.compare.bootstrap import Estimate
from ablations.compare.comparison import Comparison
from ablations.compare.verdict import Verdict

MINUS = "\N{MINUS SIGN}"


def percent(value: float, digits: int = 1) -> str:
    """Write a share as a percentage."""
    return f"{100 * value:.{digits}f} %"


def points(value: float) -> str:
    """Write a difference of shares in percentage points, with its sign."""
    rounded = round(100 * value, 1) + 0.0
    return f"{rounded:+.1f}".replace("-", MINUS)


def signed(value: float) -> str:
    """Write a difference in nats, with its sign."""
    return f"{round(value, 3) + 0.0:+.3f}".replace("-", MINUS)


def span(interval: tuple[float, float]) -> str:
    """Write an interval of percentage points."""
    return f"{points(interval[0])} to {points(interval[1])}"


def with_spread(values: list[float], digits: int = 3) -> str:
    """Write mean ± standard deviation; one value stands alone."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return f"{mean:.{digits}f}"
    spread = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    return f"{mean:.{digits}f} ± {spread:.{digits}f}"


def large(value: float) -> str:
    """Write a count in thousands, millions and so on."""
    for factor, unit in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.3g}"


def p_value(value: float) -> str:
    """Write a p-value."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def verdict_sentence(one: Comparison, margin: float, confidence: str) -> str:
    """Say what a comparison comes to.

    Parameters
    ----------
    one : Comparison
        The comparison.
    margin : float
        The margin of practical equality.
    confidence : str
        What its interval is called.
    """
    found = f"{points(one.accuracy.mean)} points ({confidence} {span(one.interval)})"
    if one.verdict in (Verdict.BETTER, Verdict.WORSE):
        return f"{one.arm} is {one.verdict.value} than {one.against}: {found}."
    if one.verdict is Verdict.EQUAL:
        return f"{one.arm} and {one.against} are practically equal: {found}, all of it within ±{100 * margin:g}."
    if len(one.seeds) < 2:
        return (
            f"{one.arm} and {one.against} are not distinguishable: {found}, from one common seed. "
            f"One seed says how two trained models differ and nothing about the two recipes.{_needed(one)}"
        )
    return (
        f"{one.arm} and {one.against} are not distinguishable: {found}. "
        f"A true difference below {100 * one.detectable:.1f} points is likely to go unnoticed here.{_needed(one)}"
    )


def _needed(one: Comparison) -> str:
    if one.needed is None:
        return ""
    ways = []
    if one.needed.seeds is not None:
        ways.append(f"about {one.needed.seeds} seeds an arm")
    if one.needed.examples is not None:
        ways.append(f"about {one.needed.examples:,} test examples".replace(",", "\N{NARROW NO-BREAK SPACE}"))
    size = f"{100 * one.needed.effect:.1f} points"
    if not ways:
        return f" Neither more seeds nor more test examples alone would tell a difference of {size}; it takes both."
    return f" To tell a difference of {size} would take {' or '.join(ways)}."


def accuracy_text(result: Estimate, by_seed: list[float]) -> str:
    """Write an arm's accuracy with the interval over test examples."""
    low, high = result.interval_over_examples()
    spread = f" ± {100 * _deviation(by_seed):.1f}" if len(by_seed) > 1 else ""
    return f"{100 * result.mean:.1f}{spread} % [{100 * max(low, 0.0):.1f}, {100 * min(high, 1.0):.1f}]"


def _deviation(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return float((sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5)
