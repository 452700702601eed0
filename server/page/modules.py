"""Which modules a module needs: a browser can ask for all of them at once, not for one level after the other."""

import posixpath
import re
from collections.abc import Mapping

from server.page.files import Content

# Biome formats the files of the page: each of these statements ends with its module in double quotes.
_IMPORT = re.compile(rb'^(?:import|export)\b[^"\';]*"(\.[^"]+)";$', re.MULTILINE)


def needed(files: Mapping[str, Content], *entries: str) -> list[str]:
    """Return the paths of these modules and of all that they import, but not of what they load later (`import()`)."""
    found: dict[str, None] = {}
    waiting = list(entries)
    while waiting:
        path = waiting.pop(0)
        if path not in found:
            found[path] = None
            names = (name.decode() for name in _IMPORT.findall(files[path].body))
            waiting += [posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in names]
    return list(found)
