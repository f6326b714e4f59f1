"""Write numbers as print does: true minus signs, raised exponents, units."""

import re
from collections.abc import Mapping

from markupsafe import Markup, escape

from haploscribe.report.tables import Interval, format_interval, format_p, format_r

_P_VALUE = re.compile(r"([pq] [=<] \d[\d.]*(?:e-\d+)?)")
_LONG_NUMBER = re.compile(r"(?<![\w.,/-])[1-9]\d{3,14}(?![\w.,/-])")
_NEGATIVE = re.compile(r"(?<=\s)-(?=\d)")


def typeset_r(r: float) -> str:
    """Write a correlation with three decimals and a true minus sign; a dash where there is none."""
    text = format_r(r)
    return "–" if text == "-" else text.replace("-", "−")


def typeset_interval(interval: Interval | None) -> str:
    """Write an interval of correlations with true minus signs; a dash where there is none."""
    text = format_interval(interval)
    return "–" if text == "-" else text.replace("-", "−")


def typeset_p(p: float) -> Markup:
    """Write a p-value as `1.3 × 10⁻⁵`, the exponent raised; a dash where there is none."""
    text = format_p(p)
    return Markup("–") if text == "-" else _raise_exponents(text)


def typeset_sentence(text: str) -> Markup:
    """Escape a sentence, and set its p-values and negative numbers as print does."""
    # only what follows "p =" or "q <": a model's name may hold the like of 1e-5
    parts = _P_VALUE.split(_NEGATIVE.sub("−", text))
    parts[1::2] = [_raise_exponents(part.replace(" ", "\u00a0")) for part in parts[1::2]]
    return Markup("").join(parts)


def typeset_number(value: float) -> str:
    """Write a count or a ratio with thousands separators and no needless decimals."""
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:,.1f}"


def typeset_duration(seconds: float) -> str:
    """Write a time as `12.3 s`, `4 min 10 s` or `3 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def typeset_setting(value: object) -> str:
    """Write a setting or a count of any kind that JSON has."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {typeset_setting(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(typeset_setting(item) for item in value)
    return str(value)


def typeset_fact(value: object) -> str:
    """Write a summary value; whole numbers have thousands separators, also within a text."""
    if isinstance(value, str):
        return _LONG_NUMBER.sub(lambda digits: f"{int(digits[0]):,}", value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else typeset_setting(value)


def _raise_exponents(text: str) -> Markup:
    before, power, after = text.partition("e-")
    if not power:
        return escape(text)
    return escape(before) + Markup("\u00a0×\u00a010<sup>−{}</sup>").format(after)
