"""Draws docs/figures/merge_density.svg: what both merges cost at each density, and which of them is taken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import log10
from pathlib import Path
from typing import Final

CHART: Final = Path(__file__).parents[1] / "docs" / "figures" / "merge_density.svg"

_WIDTH: Final = 380  # of one panel
_HEIGHT: Final = 300
_LEFT: Final = 64
_FONT: Final = 'font-family="sans-serif" font-size="12"'
_TOP: Final = 60
_GAP: Final = 76
_SPARSE: Final = "#1b6ca8"
_DENSE: Final = "#c4501b"
_GREY: Final = "#e4e4e4"
_X_TICKS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
_Y_TICKS: Final = (5, 10, 20, 50, 100, 200, 500, 1000, 2000)

Place = Callable[[float], float]


@dataclass(frozen=True)
class Panel:
    """Nanoseconds per page at each density in percent."""

    title: str
    densities: Sequence[float]
    sparse: Sequence[float]
    dense: Sequence[float]
    chosen: Sequence[float]


def write_chart(panels: Sequence[Panel], threshold: float, page_size: int) -> None:
    CHART.parent.mkdir(exist_ok=True)
    CHART.write_text(_chart(panels, threshold, page_size), "utf-8")


def _chart(panels: Sequence[Panel], threshold: float, page_size: int) -> str:
    width, height = _LEFT + len(panels) * (_WIDTH + _GAP), _TOP + _HEIGHT + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {_FONT}>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(_LEFT, 20, f"Merging a change into a page of {page_size:,} bytes", "start", "font-size='15'"),
        *_legend(),
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, _LEFT + number * (_WIDTH + _GAP), threshold)
    return "\n".join([*parts, "</svg>", ""])


def _legend() -> list[str]:
    names = (("sparse: words scattered", _SPARSE), ("dense: masked merge", _DENSE))
    parts: list[str] = []
    for number, (name, colour) in enumerate(names):
        x = _LEFT + 170 * number
        parts += [_line(x, 34, x + 18, 34, colour, 2), _text(x + 24, 38, name, "start")]
    x = _LEFT + 360
    parts += [_circle(x, 34), _text(x + 12, 38, "measured with the dispatcher choosing", "start")]
    return parts


def _panel(panel: Panel, left: float, threshold: float) -> list[str]:
    def x(density: float) -> float:
        return left + _WIDTH * _share(density, _X_TICKS)

    def y(nanoseconds: float) -> float:
        return _TOP + _HEIGHT * (1 - _share(nanoseconds, _Y_TICKS))

    bottom = _TOP + _HEIGHT
    middle = _TOP + _HEIGHT / 2
    turned = f'transform="rotate(-90 {left - 44} {middle})"'
    return [
        *_axes(left, x, y),
        _text(left + _WIDTH / 2, _TOP - 6, panel.title, "middle", "font-weight='bold'"),
        _text(left + _WIDTH / 2, bottom + 40, "changed words, % of the page (logarithmic)", "middle"),
        _text(left - 44, middle, "ns per page, fastest of nine (logarithmic)", "middle", turned),
        _line(x(threshold), _TOP, x(threshold), bottom, "#555", 1.5, "5 4"),
        _text(x(threshold) - 5, bottom - 10, f"dense from {threshold:g} %", "end"),
        _curve(panel.densities, panel.sparse, x, y, _SPARSE),
        _curve(panel.densities, panel.dense, x, y, _DENSE),
        *(_circle(x(at), y(cost)) for at, cost in zip(panel.densities, panel.chosen, strict=True)),
    ]


def _share(value: float, ticks: Sequence[float]) -> float:
    """How far along a logarithmic axis a value lies, from 0 to 1."""
    return log10(value / ticks[0]) / log10(ticks[-1] / ticks[0])


def _axes(left: float, x: Place, y: Place) -> list[str]:
    bottom, right = _TOP + _HEIGHT, left + _WIDTH
    parts = [f'<rect x="{left}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#333"/>']
    for tick in _X_TICKS:
        parts += [
            _line(x(tick), _TOP, x(tick), bottom, "#e4e4e4", 1),
            _text(x(tick), bottom + 18, f"{tick:g}", "middle"),
        ]
    for tick in _Y_TICKS:
        parts.append(_line(left, y(tick), right, y(tick), _GREY, 1))
        parts.append(_text(left - 6, y(tick) + 4, f"{tick:,}", "end"))
    return parts


def _curve(at: Sequence[float], costs: Sequence[float], x: Place, y: Place, colour: str) -> str:
    points = " ".join(f"{x(density):.1f},{y(cost):.1f}" for density, cost in zip(at, costs, strict=True))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float, dashes: str = "none") -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dashes}"/>'


def _circle(x: float, y: float) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="none" stroke="#222" stroke-width="1.5"/>'


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'
