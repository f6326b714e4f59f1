"""Load a class or an instance that a user names: `module:Name`, or the short name of an entry point."""

import hashlib
import re
import sys
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from haploscribe.errors import InputError

_PLUGIN = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*(?:\.[^\W\d]\w*)*)")
_RESULTS = ("run.json", "models.json")
"""Files of a results folder and of its folder of models: results come from others, and run no code."""


class Plugin(NamedTuple):
    """What a text names.

    Attributes
    ----------
    module
        Importable name of the module.
    attribute
        Name in the module, with dots where it is nested.
    """

    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"


def registered_names(group: str) -> tuple[str, ...]:
    """Return the short names that installed packages register in an entry-point group, sorted."""
    return tuple(sorted(point.name for point in entry_points(group=group)))


def find_plugin(text: str, group: str) -> Plugin | None:
    """Return what a text names, without importing it; None where it is no plug-in's name.

    Parameters
    ----------
    text
        `module:Name`, or the short name of an entry point.
    group
        Entry-point group, such as `haploscribe.backbones`.
    """
    values = [point.value for point in entry_points(group=group) if point.name == text]
    found = _PLUGIN.fullmatch(values[0] if values else text)
    return None if found is None else Plugin(*found.groups())


def plugin_name(found: object) -> str | None:
    """Return the `module:Name` by which any process can import a class or an instance.

    Parameters
    ----------
    found
        A class, or an instance that stands at the top level of the module of its class.

    Returns
    -------
    str or None
        None where there is no such name: it was made in `__main__`, a notebook or a function.
    """
    module = (found if isinstance(found, type) else type(found)).__module__
    if module == "__main__" or module not in sys.modules:
        return None
    if isinstance(found, type):
        names = [found.__qualname__]
    else:
        names = [name for name, value in vars(sys.modules[module]).items() if value is found]
    for name in names:
        text = f"{module}:{name}"
        if _PLUGIN.fullmatch(text) and _attribute(sys.modules[module], name) is found:
            return text
    return None


def load_plugin(text: str, group: str, kind: str, folder: str | None = None) -> object:
    """Import what a text names, from installed packages or the current folder.

    The current folder is searched last, so that no file in it replaces an installed module. Code in a
    results folder is never run.

    Parameters
    ----------
    text
        `module:Name`, or the short name of an entry point.
    group
        Entry-point group, such as `haploscribe.backbones`.
    kind
        What it should be, for messages: `backbone`.
    folder
        Absolute path to search in place of the current folder: a worker's may be another one.

    Returns
    -------
    object
        The class or instance, as it stands in the module; the caller checks it.

    Raises
    ------
    InputError
        When the text names no plug-in, or its module or attribute is missing or cannot be imported.
    """
    plugin = find_plugin(text, group)
    if plugin is None:
        names = ", ".join(registered_names(group)) or "none"
        raise InputError(f"no {kind} is called {text!r}; give module:Name, or a registered name ({names})")
    searched = folder or str(Path.cwd())
    if searched not in sys.path:
        sys.path.append(searched)
    _require_module(plugin, kind, searched)
    try:
        found: object = import_module(plugin.module)
    except InputError:
        raise
    except Exception as error:  # whatever the code of the module raises
        raise InputError(
            f"{kind} {text}: module {plugin.module!r} cannot be imported ({type(error).__name__}: {error})"
        ) from error
    found = _attribute(found, plugin.attribute)
    if found is _MISSING:
        raise InputError(f"{kind} {text}: module {plugin.module!r} has no {plugin.attribute!r}")
    return found


_MISSING = object()


def _attribute(found: object, path: str) -> object:
    """Return an attribute of attributes, named with dots; `_MISSING` where there is none."""
    for name in path.split("."):
        found = getattr(found, name, _MISSING)
    return found


def source_digest(plugin: Plugin) -> str:
    """Return a digest of an imported module's source; its version where the source is not at hand."""
    module = sys.modules[plugin.module]
    file = getattr(module, "__file__", None)
    if file is not None and Path(file).is_file():
        return hashlib.blake2b(Path(file).read_bytes(), digest_size=8).hexdigest()
    return str(getattr(sys.modules[plugin.module.partition(".")[0]], "__version__", "unknown"))


def _require_module(plugin: Plugin, kind: str, searched: str) -> None:
    """Refuse a module that does not exist or lies in a results folder, before its code runs."""
    top = plugin.module.partition(".")[0]
    if top in sys.modules:
        return
    spec = find_spec(top)
    if spec is None:
        raise InputError(
            f"{kind} {plugin}: no module {top!r} in {searched} or among the installed packages; install it, "
            "or run in the folder that holds it"
        )
    packages = list(spec.submodule_search_locations or ())
    place = Path(packages[0] if packages else spec.origin or searched).resolve().parent
    if any((folder / name).is_file() for folder in (place, place.parent) for name in _RESULTS):
        raise InputError(
            f"{kind} {plugin}: module {top!r} lies in the results folder {place}, from which no code is run; "
            "move it to another folder"
        )
