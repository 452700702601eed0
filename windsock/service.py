"""The service as this package sees it: modules that are found by their names, when somebody needs them."""

import sys
from importlib import import_module
from types import ModuleType

from windsock.errors import ConfigError

_PACKAGE = "server"


def module_of_service(name: str) -> ModuleType:
    """Import a module of the service; raises ConfigError if another `server` is found in its place, or none."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != _PACKAGE:
            raise
        place = getattr(sys.modules.get(_PACKAGE), "__file__", None)
        if place is None:
            raise ConfigError("this needs the service, which is not installed: pip install windsock") from error
        raise ConfigError(
            f"this needs the service, but Python finds {place} in its place: rename that file,"
            " or keep its folder out of PYTHONPATH"
        ) from error
