"""The dashboard asks for figures that there are: each name, and each label that it groups by or picks."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from examples.remittances import Open, Send, app
from mmsb.streams.watching.metrics import METRICS
from tests.project.tree import ROOT
from tests.watching.asking import asked, figures, free_port

BOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/mmsb.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = BOARD["panels"]

SCRAPER = {"instance", "job"}
"""Labels that Prometheus puts on whatever it scrapes."""

NAMES = {
    name: metric
    for metric in METRICS
    for name in (
        [f"{metric.name}_{part}" for part in ("bucket", "sum", "count")]
        if metric.kind == "histogram"
        else [metric.name]
    )
}


def exprs(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def named(expr: str) -> set[str]:
    return set(re.findall(r"\b(?:mmsb|process|python)_\w+", expr))


def labels(expr: str) -> set[str]:
    """Those that are picked in braces, and those that are kept or joined on."""
    picked = re.findall(r"[{,]\s*(\w+)\s*=", expr)
    lists = re.findall(r"\b(?:by|on|group_left|group_right) \(([^)]*)\)", expr)
    return {*picked, *(label.strip() for some in lists for label in some.split(",") if label.strip())}


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_each_panel_asks_for_what_is_exposed(panel: dict[str, Any]) -> None:
    assert exprs(panel)
    for expr in exprs(panel):
        names = named(expr)
        assert names, expr
        assert names <= set(NAMES), f"{names - set(NAMES)} of {expr} is no metric"
        known = SCRAPER | {"le" for name in names if name.endswith("_bucket")}
        known |= {label for name in names for label in NAMES[name].labels}
        assert labels(expr) <= known, f"{labels(expr) - known} of {expr} is no label"
        assert expr.count("(") == expr.count(")")
        for name in names:
            rated = re.search(rf"\b(?:rate|increase)\({name}\b", expr) is not None
            accumulates = NAMES[name].kind != "gauge" and not name.startswith("mmsb_follow_ups")
            assert rated is accumulates, f"{name} of {expr}: a counter is asked for its rate, a gauge as it is"


def test_each_panel_has_a_place_and_a_number_of_its_own() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in PANELS}) == len(PANELS)
    assert {panel["datasource"]["uid"] for panel in PANELS} == {"${source}"}
    assert [variable["name"] for variable in BOARD["templating"]["list"]] == ["source", "app"]


def test_each_panel_finds_figures_while_an_application_runs(tmp_path: Path) -> None:
    port = free_port()

    async def scrape() -> str:
        async with app.run(data=tmp_path, partitions=2, interpreted=True, http=str(port)) as bus:
            await asyncio.gather(*(bus.submit(Open(number, 100, 1_000)) for number in range(8)))
            await asyncio.gather(*(bus.submit(Send(number, 7 - number, 500)) for number in range(4)))
            await asyncio.gather(*(bus.submit(Send(number, 7 - number, 5)) for number in range(4)))
            await bus.checkpoint()
            await asyncio.sleep(0.3)  # somebody looks how late the event loop is
            return (await asked(port, "/metrics"))[1]

    found = {name for name, _ in figures(asyncio.run(scrape()))}

    for panel in PANELS:
        for expr in exprs(panel):
            assert named(expr) <= found, f"{named(expr) - found} of {panel['title']} is nowhere"
