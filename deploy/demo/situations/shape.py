"""What one kind of quarrel brings along, from the first words at the desk to the last visit: one theme, one set of facts.

Slots in texts: {a} {b} {c} {d} persons or companies ({ta} {tb}: 他 or 她 for a and b) · {n} {m} numbers · {yuan} the sum claimed, {each} a
share of it, {paid} the sum agreed, {less} what was waived, {p1} {p2} {p3} instalments, {d1} {d2} {d3} their days · {when} a day shortly
before, {where} a spot, {m1} {m2} {m3} the months before the registration, {y1} the year before.

A person is written `+m40-60=a`: listed as applicant (+), respondent (-), third (/) or only named (.); man, woman or either (m, f, *);
age; the surname of a. `-co竹制品厂` is a company whose name ends so. The days in {d1}… are the days of performance of the agreement.
"""

import msgspec

Range = tuple[int, int]


class Situation(msgspec.Struct, frozen=True):
    """type: as in the table, mostly 4 digits · told: the matter in clerks' words, each a whole telling · talks: first session, a turn, the one that settles.

    stuck: why a session failed, in the village and then in the township · top: the session with the units of the county ·
    knot: what it hangs on, as part of a sentence · terms, how (way, place, term), duty: of the agreement · kept: a good follow-up ·
    unkept: why it was not kept · visit: (what a cadre goes for, what he reports) · yuan or each × n: the claim; share: agreed part of it ·
    hard: 0 the village settles it, 1 often the township, 2 often the county · door: (why it is declined, where to go) ·
    opinion: the written answer that may end it in place of an agreement · months: when it happens, () = all the year.
    """

    type: str
    told: tuple[str, ...]
    talks: tuple[str, str, str]
    stuck: tuple[str, ...]
    knot: str
    terms: tuple[str, ...]
    how: str
    notes: tuple[str, ...]
    result: str
    kept: str
    a: str = "+*35-75"
    b: str = "-*35-70"
    c: str = ""
    d: str = ""
    n: Range = (2, 9)
    m: Range = (2, 9)
    yuan: Range = (0, 0)
    each: Range = (0, 0)
    share: tuple[float, float] = (1.0, 1.0)
    heads: Range = (2, 4)
    hard: int = 0
    risk: str = "green"
    rise: tuple[str, str] = ("", "")
    months: tuple[int, ...] = ()
    duty: str = ""
    unkept: str = ""
    visit: tuple[str, str] = ("", "")
    bring: str = ""
    door: tuple[str, str] = ("", "")
    top: str = ""
    opinion: str = ""
    weight: int = 2
