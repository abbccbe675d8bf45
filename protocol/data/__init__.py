"""The packaged tables and the dictionaries of the wire as bytes: the only place of `protocol` that reads files, once."""

import csv
import json
from importlib.resources import files
from typing import Final

NAMES: Final = (
    *("types", "intake", "outcomes", "lists", "posts", "units", "levels"),
    *("limits", "clocks", "calendar", "notices", "templates"),
)
_PLACES_VERSION: Final = "2023.1"
_PLACES_FROM: Final = "2023-06-30"


def _places() -> bytes:
    """Table `places` from the CSV: rows [code, name, level, parent], as the bureau writes them."""
    text = (files("protocol.data") / "places_anji.csv").read_text("utf-8")
    rows = [[r["code"], r["name"], r["level"], r["parent"]] for r in csv.DictReader(text.splitlines())]
    table = {"version": _PLACES_VERSION, "valid_from": _PLACES_FROM, "rows": rows}
    return json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()


def _load() -> dict[str, tuple[str, str, bytes]]:
    """name -> (version, valid_from, JSON bytes without the white space of the file)."""
    found = {"places": (_PLACES_VERSION, _PLACES_FROM, _places())}
    for name in NAMES:
        table = json.loads((files("protocol.data") / f"{name}.json").read_bytes())
        compact = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
        found[name] = (table["version"], table["valid_from"], compact)
    return found


def wire_dictionary(word: str) -> bytes:
    """`dict1` → wire-1.zdict. One that was shipped is never changed: older nodes go on reading by its id."""
    return (files("protocol.data") / f"wire-{word.removeprefix('dict')}.zdict").read_bytes()


PACKAGED: Final = _load()
