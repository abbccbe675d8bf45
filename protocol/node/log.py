"""Structured logs: one JSON object a line on stderr, with ids and counts and never a name, a number or a text of a person.

`event("admitted", ledger=…, entries=3)`. Only the keys of ALLOWED pass; anything else is a fault of ours and raises at once,
so that no later line of code can slip a person's words into a log file.
"""

import datetime as dt
import json
import logging
import sys
from typing import Final

ALLOWED: Final = frozenset(
    "ledger origin node seq entries lanes code status route method ms bytes kind count port pid server version reason_code subject address offset_ms name_of".split()
)
_logger = logging.getLogger("yidi")


class JsonLines(logging.Formatter):
    """Third-party records are cut to their logger, level and the type of the exception: their texts may quote what people wrote."""

    def format(self, record: logging.LogRecord) -> str:
        at = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {"at": at, "level": record.levelname.lower(), "logger": record.name}
        if record.name == "yidi":
            line |= {"event": record.msg, **getattr(record, "facts", {})}
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            line["at_code"] = _place(record.exc_info[2])
        elif record.name != "yidi":
            line["at_code"] = f"{record.module}:{record.lineno}"
        return json.dumps(line, ensure_ascii=False)


def _place(traceback: object) -> str:
    tail = ""
    while traceback is not None:
        frame = traceback.tb_frame  # type: ignore[attr-defined]
        tail = f"{frame.f_globals.get('__name__', '?')}:{traceback.tb_lineno}"  # type: ignore[attr-defined]
        traceback = traceback.tb_next  # type: ignore[attr-defined]
    return tail


def start(level: str) -> None:
    """Sends everything of this process through JsonLines to stderr; level: debug, info, warning, error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    _logger.setLevel(level.upper())


def event(name: str, *, level: int = logging.INFO, exception: BaseException | None = None, **facts: object) -> None:
    """Writes one line. Raises ValueError for a key that ALLOWED does not name."""
    if strangers := set(facts) - ALLOWED:
        raise ValueError(f"not for a log: {sorted(strangers)}")
    _logger.log(level, name, extra={"facts": facts}, exc_info=exception)
