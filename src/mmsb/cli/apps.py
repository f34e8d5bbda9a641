"""Finds the application that a command line names: `module:attribute`, or `path/to/file.py` and what is in it."""

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from mmsb.app import App
from mmsb.schemas.errors import InvalidDefinition, InvalidValue, MmsbError

HINT = "write MODULE:NAME as in `examples.bank:app`, or path/to/file.py"


def load_app(spelled: str) -> App:
    where, _, name = spelled.partition(":")
    try:
        module = _load_file(Path(where)) if where.endswith(".py") else _load_module(where)
    except MmsbError:
        raise
    except Exception as error:
        raise InvalidDefinition(f"{_place(error)}: {type(error).__name__}: {error}; mend the code") from error
    if name:
        return _checked(spelled, module, name)
    apps = {known: value for known, value in vars(module).items() if isinstance(value, App)}
    if len({id(app) for app in apps.values()}) != 1:
        found = f"it has {', '.join(apps)}" if apps else "it has none"
        raise InvalidValue(f"{spelled}: expected one mmsb.App in this module, and {found}; name one: {where}:NAME")
    return next(iter(apps.values()))


def _place(error: Exception) -> str:
    """The line of the code being loaded at which it went wrong."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}:{last.lineno}"


def _checked(spelled: str, module: ModuleType, name: str) -> App:
    app = getattr(module, name, None)
    if not isinstance(app, App):
        apps = [known for known, value in vars(module).items() if isinstance(value, App)]
        found = "nothing" if app is None else f"a {type(app).__name__}"
        has = f"the module has {', '.join(apps)}" if apps else "the module has none"
        raise InvalidValue(f"{spelled}: expected an mmsb.App, found {found}; {has}")
    return app


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InvalidValue(f"{path}: expected a Python file, found none; {HINT}")
    spec = importlib.util.spec_from_file_location(_free_name(path), path)
    if spec is None or spec.loader is None:
        raise InvalidValue(f"{path}: expected a Python file; {HINT}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # classes look their module up by its name
    sys.path.insert(0, str(path.parent))  # as `python path/to/file.py` does
    spec.loader.exec_module(module)
    return module


def _free_name(path: Path) -> str:
    """The file's own name, unless another module has it."""
    name = path.stem
    while name in sys.modules:
        name += "_"
    return name


def _load_module(name: str) -> ModuleType:
    sys.path.insert(0, "")  # as `python -m` does
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise InvalidValue(f"{name}: it imports {error.name!r}, which is not installed; install it") from error
        file = Path(*name.split(".")).with_suffix(".py")
        raise InvalidValue(f"there is no module {name!r}; {_meant(file)}") from None


def _meant(file: Path) -> str:
    return f"did you mean {file}?" if file.is_file() else f"start from the folder that has it, or {HINT}"
