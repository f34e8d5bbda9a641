"""Writes the pages and tables that are made of the code: `python -m tests.docs.generate`. A test compares them."""

from pathlib import Path

from tests.docs.limits import with_limits
from tests.docs.metrics import with_metrics
from tests.docs.reference import reference
from tests.docs.settings import with_settings
from tests.project.tree import ROOT

DOCS = ROOT / "docs"


def generated() -> dict[Path, str]:
    """What each of them has to hold."""
    operations, configuration = DOCS / "operations.md", DOCS / "configuration.md"
    return {
        DOCS / "reference.md": reference(),
        operations: with_metrics(with_limits(operations.read_text("utf-8"))),
        configuration: with_settings(configuration.read_text("utf-8")),
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, "utf-8")
        print(path.relative_to(ROOT))
