"""What the words of a new case point to: places that they name, the longest names first; never the office itself."""

from protocol.node.web.hints import places
from protocol.tables import Tables

TABLES = Tables.packaged()
TOWN = "330523/330523111"


def ledgers() -> list[tuple[str, object]]:
    return [(TOWN, "本级"), *((path, TABLES.place_name(path)) for path in TABLES.children(TOWN))]


def test_a_place_that_is_named_is_offered_as_where_it_belongs() -> None:
    first, second = TABLES.children(TOWN)[:2]
    words = f"{TABLES.place_name(first)}的人到{TABLES.place_name(second)}来修水渠，两边都说占了自己的地。"
    assert {one.value for one in places(words, ledgers(), TABLES)} == {first, second}
    assert all(one.name == "ledger" and one.words[0] in words for one in places(words, ledgers(), TABLES))
    assert places("两家的水沟堵了。", ledgers(), TABLES) == []
    assert places(f"{TABLES.place_name(TOWN)}来的人", ledgers(), TABLES) == []


def test_places_in_groups_are_offered_too() -> None:
    children = TABLES.children(TOWN)
    grouped = [
        ("330523", "本级"),
        (TABLES.place_name(TOWN), [(TOWN, TABLES.place_name(TOWN)), *((p, TABLES.place_name(p)) for p in children)]),
    ]
    (one,) = places(f"家住{TABLES.place_name(children[3])}", grouped, TABLES)
    assert one.value == children[3]
