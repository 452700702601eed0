"""What Windsock is told by `airflow.cfg`, the environment and the command line.

- `options`: the one table of options; its fields are the fields of `Config`
- `values`: what a text must look like, and the value it becomes
- `dsn`: SQLAlchemy's database URLs as arguments for asyncpg
- `sources`: finds what was set, in Airflow's order
- `load`: puts these together
- `exposure`: an open API stays on loopback
"""

from server.config.dsn import Dsn
from server.config.exposure import check_exposure, is_loopback
from server.config.load import load_config
from server.config.options import Config
from server.config.values import ConfigError

__all__ = ["Config", "ConfigError", "Dsn", "check_exposure", "is_loopback", "load_config"]
