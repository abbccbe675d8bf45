"""Who is offered first when somebody must be sent, and the reason that stands beside him."""

import itertools

import pytest

from protocol.node import candidates
from protocol.node.candidates import FAR, NEAR, SAME, Past, ranked
from protocol.node.shown import CadreChoice
from protocol.tables import Tables

ROOT, TOWN, VILLAGE = "330523", "330523/330523111", "330523/330523111/330523111217"
NEIGHBOUR, ELSEWHERE = "330523/330523111/330523111201", "330523/330523110/330523110201"


def choice(name: str, office: str = TOWN, **more) -> CadreChoice:
    known = {"title": "", "home": "n1", "home_covers": (), "open_tasks": 0, "reachable": True, **more}
    return CadreChoice(person=f"p-{name}", name=name, office=office, **known)


def names(*choices: CadreChoice, parties=(), past=None) -> list[str]:
    return [one.choice.name for one in ranked(choices, VILLAGE, parties, past or {})]


def test_a_cadre_with_two_posts_stands_there_once_by_the_better_one():
    far, near = choice("两头跑", ROOT, reachable=False), choice("两头跑", VILLAGE)
    assert [one.choice for one in ranked([far, choice("别人"), near], VILLAGE, [], {}) if one.choice.name == "两头跑"] == [near]


@pytest.mark.parametrize(
    ("office", "place", "expected"),
    [
        (VILLAGE, VILLAGE, SAME),
        (TOWN, TOWN, SAME),
        (ROOT, ROOT, SAME),
        (f"{ROOT}/u06", ROOT, SAME),
        (TOWN, VILLAGE, NEAR),
        (NEIGHBOUR, VILLAGE, NEAR),
        (VILLAGE, TOWN, NEAR),
        (ROOT, VILLAGE, FAR),
        (f"{ROOT}/u06", VILLAGE, FAR),
        (ELSEWHERE, VILLAGE, FAR),
        (TOWN, ROOT, FAR),
        ("330523/33052311", VILLAGE, FAR),  # whole segments
    ],
)
def test_distance_is_that_of_places(office, place, expected):
    assert candidates.distance(office, place) == expected


def test_each_reason_outweighs_those_below_it():
    """Each candidate is worse in one reason and better in all that weigh less; however they come in, the order is one."""
    past = {"p-来过": Past(here=1, last_ms=5), "p-见过": Past(met=9, names=("张三",), last_ms=9)}
    busy = {"open_tasks": 9, "next_due_ms": 1}
    order = [
        choice("来过", ELSEWHERE, linked=True, **{**busy, "reachable": False}),
        choice("见过", ELSEWHERE, linked=True, **{**busy, "reachable": False}),
        choice("本村", VILLAGE, linked=True, **{**busy, "reachable": False}),
        choice("镇里", TOWN, **busy),
        choice("邻镇直达", ELSEWHERE, **busy),
        choice("邻镇转达", ELSEWHERE, linked=True, open_tasks=8, next_due_ms=1, reachable=False),
        choice("到不了", VILLAGE, reachable=False),
        choice("张三", VILLAGE),
    ]
    wanted = [one.name for one in order]
    for turn in itertools.islice(itertools.permutations(order), 0, None, 997):
        assert names(*turn, parties=["张三"], past=past) == wanted


def test_of_two_alike_the_less_busy_then_the_one_with_more_time_goes():
    assert names(choice("甲", open_tasks=2, next_due_ms=90), choice("乙", open_tasks=1, next_due_ms=10)) == ["乙", "甲"]
    assert names(choice("甲", open_tasks=1, next_due_ms=10), choice("乙", open_tasks=1, next_due_ms=90)) == ["乙", "甲"]
    assert names(choice("甲", open_tasks=1, next_due_ms=10), choice("乙", open_tasks=1, next_due_ms=None)) == ["乙", "甲"]


def test_a_party_is_shown_last_with_the_reason_and_cannot_be_chosen():
    *_, last = ranked([choice("张三", VILLAGE), choice("李四", ROOT), choice("王五", reachable=False)], VILLAGE, ["张三", ""], {})
    assert (last.choice.name, last.is_party, last.may) == ("张三", True, False)
    assert "要回避" in candidates.why_not(last)
    first, lost, _ = ranked([choice("张三", VILLAGE), choice("李四", ROOT), choice("王五", reachable=False)], VILLAGE, ["张三"], {})
    assert (first.may, candidates.why_not(first)) == (True, "")
    assert "手机收不到" in candidates.why_not(lost)


def test_the_reasons_read_as_words():
    tables = Tables.packaged()
    said = [
        candidates.where(one, VILLAGE, tables)
        for one in ranked([choice("甲", VILLAGE), choice("乙", NEIGHBOUR), choice("丙", ROOT)], VILLAGE, [], {})
    ]
    assert said == ["就在高禹村", "同在天子湖镇", "从安吉县社会治理中心来"]
    assert (
        candidates.before(Past(here=2, met=1, names=("张三", "李四", "王五")), "昨天")
        == "来过这件 2 次，见过张三、李四等 1 次（按姓名），最近昨天"
    )
    assert candidates.before(Past(), "昨天") == ""


def visit(name: str, *people: CadreChoice, parties=(), place: str = VILLAGE) -> tuple[str, str, list[candidates.Candidate]]:
    return name, place, ranked(people, place, parties, {})


def test_a_team_shares_the_visits_of_a_day_and_nobody_is_sent_where_he_may_not_go():
    first, second, third = choice("甲", VILLAGE), choice("乙", TOWN), choice("丙", ROOT)
    team = ["p-甲", "p-乙"]
    all_of = [visit(str(n), first, second, third) for n in range(4)]
    made = candidates.spread(all_of, team)
    assert [made[str(n)].choice.name for n in range(4)] == ["甲", "甲", "乙", "乙"]  # the nearer one first, until he has his share
    held_back = [visit("a", first, second, parties=["甲"]), visit("b", first, second, parties=["甲"]), visit("c", first, second)]
    assert {key: one.choice.name for key, one in candidates.spread(held_back, team).items()} == {"a": "乙", "b": "乙", "c": "甲"}
    nobody = [visit("a", choice("甲", reachable=False)), visit("b", choice("甲"))]
    assert list(candidates.spread(nobody, ["p-甲"])) == ["b"]
    assert candidates.spread(all_of, []) == {}
    uneven = candidates.spread([visit(str(n), first, second, third) for n in range(7)], ["p-甲", "p-乙", "p-丙"])
    assert sorted(one.choice.name for one in uneven.values()) == ["丙", "乙", "乙", "乙", "甲", "甲", "甲"]
    far, two = choice("甲", ROOT), choice("乙", ROOT)
    day = [visit("a", far, two, place=ELSEWHERE), visit("b", far, two), visit("c", far, two)]
    assert {key: one.choice.name for key, one in candidates.spread(day, team).items()} == {"b": "乙", "c": "乙", "a": "甲"}
