"""The bank under a name of its own: tests share a broker, and an application's topics go by its name."""

import importlib.util
import uuid
from pathlib import Path
from typing import Any

from tests.project.tree import ROOT


def new_bank(folder: Path) -> Any:
    """The module of the example, whose application no other test uses; its code is a file of `folder`."""
    name = f"bank-{uuid.uuid4().hex[:12]}"
    code = folder / f"{name}.py"
    code.write_text((ROOT / "examples" / "bank.py").read_text().replace('"bank"', repr(name)))
    spec = importlib.util.spec_from_file_location(name, code)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
