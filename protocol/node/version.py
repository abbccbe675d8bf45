"""The version of this program: in the log, in every Have, on 连接与台账."""

from importlib import metadata
from typing import Final

VERSION: Final = metadata.version("yidi")
