"""How long a client goes on that was served and is not any more: the server, or its database, may be restarting."""

import time

from windsock.client.results import ApiError, Unreachable

# In seconds.
_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.5, 10.0, 1.5
_LONGEST = 120.0
_BUSY = frozenset({429, 502, 503, 504})


class Patience:
    """Bears errors that another try may mend, for two minutes; none before the first answer."""

    def __init__(self) -> None:
        self._served_at: float | None = None
        self._pause = _FIRST_PAUSE

    @property
    def was_served(self) -> bool:
        """Whether there was an answer."""
        return self._served_at is not None

    def served(self) -> None:
        """Note an answer."""
        self._served_at, self._pause = time.monotonic(), _FIRST_PAUSE

    def bear(self, error: ApiError | Unreachable, until: float | None = None) -> None:
        """Wait before the next try; raises the error if there is no point in one, or after the moment `until`."""
        now = time.monotonic()
        mends = isinstance(error, Unreachable) or error.status in _BUSY
        if not mends or self._served_at is None or now - self._served_at > _LONGEST or (until and now >= until):
            raise error
        self.pause()

    def pause(self) -> None:
        """Wait before the next try."""
        time.sleep(self._pause)
        self._pause = min(self._pause * _GROWTH, _LONGEST_PAUSE)
