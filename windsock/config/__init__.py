"""The configuration: what `airflow.cfg`, the environment and the command line tell Windsock.

- `options`, `auth_options`: the one table of options; its fields are the fields of `Config`; `option` declares them
- `values`: checks the text of an option and turns it into a value
- `dsn`: turns SQLAlchemy's database URLs into arguments for asyncpg
- `sources`: finds what is set, in Airflow's order
- `load`: puts all of this together
- `secrets`: keeps the values of options out of the environment of children
- `exposure`: keeps an open API on loopback
"""

from windsock.config.dsn import Dsn
from windsock.config.exposure import check_exposure, is_loopback
from windsock.config.load import load_config
from windsock.config.options import Config
from windsock.errors import ConfigError

__all__ = ["Config", "ConfigError", "Dsn", "check_exposure", "is_loopback", "load_config"]
