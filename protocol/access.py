"""Who may see what, as claims about an actor and a case (or its row); and how names and numbers look to the others."""

import re
from collections.abc import Mapping
from typing import Any, Final

from protocol.events import Actor
from protocol.place import is_unit, parent, within

CASE_POWERS: Final = frozenset(
    {"log", "mediate", "move", "call_up", "convene", "assign", "close", "follow_up", "supervise", "note", "review", "read"}
)  # who has none of these (a cadre, the sealed desk, the system's admin) sees no case
MASK: Final = "*"
PERSON_CHARS_MAX: Final = 4  # a name as short as this may be a person's whatever it ends with
_ASIDE: Final = r"[（(][^（()）]*[）)]"
_OTHERS: Final = r"等(?:(?:\d|[一二两三四五六七八九十百数几多人户]|村民|职工|工人|业主)[^（()）]{0,8})?"
_MORE: Final = re.compile(rf"(.+?)((?:{_ASIDE})*(?:{_OTHERS})?(?:{_ASIDE})*)")  # 王小明等23人, 欧阳小明（代）, 王小明等3人（代）
# What says of the one before it who he is, and names nobody
_ROLE: Final = re.compile(
    r"其?(?:(?:委托|法定|诉讼)?代(?:理人?|表人?|签)?|负责人|经营者|监护人|当事人|申请人|被申请人|第三人|继承人|承包人|承租人|出租人|户主|业主|房东|租户"
    r"|老板|店主|父亲?|母亲?|父母|祖父母?|祖母|爷爷|奶奶|外公|外婆|子女?|女|儿子|女儿|夫妻?|妻子?|丈夫|配偶|夫妇|[兄弟姐妹]{1,2}|哥哥|孙[子女]?|女婿|儿媳"
    r"|近?亲属|家属|家长|未成年人?|已故|死者|伤者|男|大|小|老|筹|村民|职工|员工|个体工商户|个体户|化名|匿名|[\d一二两三四五六七八九十百]+[人户名])"
)
_SAYING: Final = re.compile(r"[\s，,、；;：:。是系叫的]|住(?![房建])")  # 父王大明，住高禹村: more than a name
_ORGANISATION: Final = re.compile(
    r".*(公司|集团|中心|政府|学校|学院|大学|中学|小学|银行|医院|酒店|宾馆|饭店|超市|商行|车行|物业|服务|工地|项目部|居委会|合作社|事务所|工作室"
    r"|民宿|农家乐|[厂店局所院校园社队站馆场村组会处部办行庄铺坊])"
)


def _field(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)


def office_covers(office: str, ledger: str) -> bool:
    """Claims that an office's region holds the ledger. A unit's region is its own ledger."""
    return within(ledger, office)


def in_region(actor: Actor, ledger: str) -> bool:
    """Claims that the ledger lies in the region of one of the actor's offices."""
    return any(within(ledger, office) for office in actor.offices)


def may_register_in(office: str, ledger: str) -> bool:
    """Claims that an office may log into a ledger: its own region; a unit receives for the whole county it stands in."""
    return within(ledger, office) or (is_unit(office) and within(ledger, parent(office) or office))


def may_see_case(actor: Actor, case: Any) -> bool:
    """`case`: a Case, a row of case_row or a mapping of it. Covers its ledger, or holds it, was offered it, joins or logged it."""
    return bool(actor.powers & CASE_POWERS) and any(_sees(office, case) for office in actor.offices)


def _sees(office: str, case: Any) -> bool:
    if within(_field(case, "ledger"), office) or office in (_field(case, "holder"), _field(case, "logged_office")):
        return True
    offer = _field(case, "offer")
    if offer is not None and offer.kind == "transfer":
        return _joins(office, case)  # whom it is transferred to sees the successor, never this one
    if office == (offer.to if offer is not None else _field(case, "offer_to")):
        return True
    return _joins(office, case)


def _joins(office: str, case: Any) -> bool:
    convened = _field(case, "convened") or ()
    return office in (convened.split(" ") if isinstance(convened, str) else convened)


def may_see_task(actor: Actor, task: Any) -> bool:
    """`task`: a Task, a row of task_row or a mapping of it. The cadre it was given to; offices that cover the place, sent it or join. Who
    asked for a linked one sees his own half, to which the outcome is brought, and not where the others were and what they photographed."""
    if "field" in actor.powers and actor.person == _field(task, "cadre"):
        return True
    if not actor.powers & CASE_POWERS:
        return False
    named = (_field(task, "unit"), "" if _field(task, "request") else _field(task, "assigned_by"))
    return any(within(_field(task, "ledger"), office) or office in named for office in actor.offices)


def may_read_numbers(actor: Actor, case: Any) -> bool:
    """Claims that telephone numbers of the parties are whole for the actor, and that he may print papers that hold them: for the office
    that holds the case and the one that logged it."""
    return any(office in (_field(case, "holder"), _field(case, "logged_office")) for office in actor.offices)


def masked(name: str) -> str:
    """张* of two characters, 张*三 of three and more."""
    if len(name) < 2:
        return name
    return name[0] + MASK * (len(name) - 2) + name[-1] if len(name) > 2 else name[0] + MASK


def masked_name(name: str) -> str:
    """`masked` of the person in it, 王*明等23人 and 欧**明（代）; a long name that ends as an organisation's is no person's and stays. In
    brackets stay a role and an organisation alone, 王*明（*）, for there may be the name of another person."""
    stem, more = name_parts(name)
    return (stem if _is_organisation(stem) else masked(stem)) + re.sub(_ASIDE, _masked_aside, more)


def _masked_aside(found: re.Match[str]) -> str:
    aside = found[0]
    said = aside[1:-1].strip()
    is_told = _ROLE.fullmatch(said) or (_is_organisation(said) and not _SAYING.search(said))
    return aside if is_told else aside[0] + MASK + aside[-1]


def _is_organisation(name: str) -> bool:
    return len(name) > PERSON_CHARS_MAX and bool(_ORGANISATION.fullmatch(name))


def name_parts(name: str) -> tuple[str, str]:
    """A name, and what is written behind it of others or of whom it stands for; "" = nothing."""
    found = _MORE.fullmatch(name)
    return (found[1], found[2]) if found else (name, "")


def masked_phone(phone: str) -> str:
    """138****5678; short numbers keep their last two digits."""
    if len(phone) >= 11:
        return phone[:3] + MASK * (len(phone) - 7) + phone[-4:]
    return MASK * max(len(phone) - 2, 0) + phone[-2:]


def masked_id(number: str) -> str:
    """First 3 and last 4 characters; all hidden below ten."""
    return number[:3] + MASK * (len(number) - 7) + number[-4:] if len(number) >= 10 else MASK * len(number)
