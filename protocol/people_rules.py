"""Who may register persons, give and end posts, and erase a body. Strict, pure; what it is decided on comes as arguments.

A person and their posts are entries of their office's ledger, subject = person id. Posts that open what is sealed, and the admin's at
the top who gives those, are given and ended only by that admin, and so is a code for an account of whoever has one: whoever is
reported on must not be able to make himself the reader, nor to sign in as the reader. Nobody gives himself the reader's post.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from protocol import place
from protocol.commands import Command, EndPost, EraseBody, GivePost, IssueCode, RegisterPerson, VouchReset
from protocol.entry import derive
from protocol.events import (
    Actor,
    BodyErased,
    Draft,
    PersonRegistered,
    PersonRegisteredBody,
    PostEnded,
    PostGiven,
    PostGivenBody,
    ResetVouched,
    TextBody,
)
from protocol.problem import Refused
from protocol.tables import Tables

FIRST_POSTS: Final = ("operator", "officer", "clerk")  # of the first person at a new node, by tier of its office
SEALED, ADMIN = "sealed", "admin"  # powers
PEOPLE_COMMANDS: Final = (RegisterPerson, GivePost, EndPost, EraseBody, VouchReset, IssueCode)
_POST: Final = re.compile(r"([a-z_]{1,20})\.[0-9a-f]{8}")


class Known(msgspec.Struct, frozen=True):
    """What the ledger says about the thing acted on. registered: offices where the person stands · post: (person, office, kind) of a
    post, None else · is_over: it has ended · reach, last: of PostEnded, what is known here of the post's work · item: (subject, kind of event, its office) of the entry to erase, None when not here ·
    below: the office that the node of VouchReset serves first, "" when it does not stand below this one · node: this one
    · is_guarded: of IssueCode, the person has a post that is_guarded."""

    registered: tuple[str, ...] = ()
    post: tuple[str, str, str] | None = None
    is_over: bool = False
    reach: tuple[str, ...] = ()
    last: tuple[tuple[str, str, int], ...] = ()
    item: tuple[str, str, str] | None = None
    below: str = ""
    node: str = ""
    is_guarded: bool = False


def is_guarded(powers: Iterable[str], office: str) -> bool:
    """Claims that a post opens what is sealed, or gives and ends posts that do."""
    return SEALED in powers or (ADMIN in powers and place.parent(office) is None)


def may_guard(actor: Actor) -> bool:
    """Claims that the actor may give and end such posts, and let people who have one sign in anew."""
    return ADMIN in actor.powers and place.parent(actor.office) is None


def decide_people(command: Command, actor: Actor, known: Known, tables: Tables) -> list[Draft]:
    """Raises Refused not_allowed, field_impossible, ledger_not_covered."""
    if isinstance(command, RegisterPerson):
        return [_register(command, actor, known)]
    if isinstance(command, GivePost):
        return [_give(command, actor, known, tables)]
    if isinstance(command, EndPost):
        return [_end(command, actor, known, tables)]
    if isinstance(command, EraseBody):
        return [_erase(command, actor, known)]
    if isinstance(command, VouchReset):
        return [_vouch(command, actor, known)]
    if isinstance(command, IssueCode):
        return [_issue(command, actor, known)]
    raise TypeError(f"no command about people: {type(command).__name__}")


def item_of(command: EraseBody) -> tuple[str, str, int]:
    """(ledger, origin, seq). Raises Refused field_impossible."""
    parts = command.item.split("|")
    if len(parts) != 3 or not parts[2].isdigit() or len(parts[2]) > 15:
        raise Refused("field_impossible", field="item", what="条目", why="写法不对")
    return parts[0], parts[1], int(parts[2])


def _register(command: RegisterPerson, actor: Actor, known: Known) -> Draft:
    """Again means a new name or phone; whoever stands with an office elsewhere is renamed there, not here."""
    _may(actor, "people", "登记人员")
    for office in (command.office, *known.registered):
        _own(actor, office)
    facts = PersonRegistered(actor.office, 0, ())
    return Draft(command.office, command.person, "person", facts, PersonRegisteredBody(command.name.strip(), command.phone.strip()))


def _give(command: GivePost, actor: Actor, known: Known, tables: Tables) -> Draft:
    _may(actor, "people", "安排岗位")
    _own(actor, command.office)
    matched = _POST.fullmatch(command.post)
    powers = frozenset(tables.post_powers(matched[1])) if matched else frozenset()
    if not matched or not powers:
        raise Refused("field_impossible", field="post", what="岗位", why="没有这种岗位")
    _guard(is_guarded(powers, command.office), actor, "安排能看密封件的岗位和县里的系统管理员")
    if SEALED in powers and command.person == actor.person:
        raise Refused("not_allowed", what="给自己安排能看密封件的岗位")
    if not known.registered:
        raise Refused("field_impossible", field="person", what="人员", why="还没有登记")
    if known.post is not None:
        raise Refused("field_impossible", field="post", what="岗位", why="这个编号已经用过")
    facts = PostGiven(actor.office, 0, (), command.post, matched[1], command.home)
    return Draft(command.office, command.person, "person", facts, PostGivenBody(command.title.strip()))


def _end(command: EndPost, actor: Actor, known: Known, tables: Tables) -> Draft:
    _may(actor, "people", "终止岗位")
    if known.post is None or known.is_over or known.post[1] != command.office:
        raise Refused("field_impossible", field="post", what="岗位", why="没有这个岗位，或者已经终止")
    _own(actor, command.office)
    _guard(is_guarded(tables.post_powers(known.post[2]), command.office), actor, "终止能看密封件的岗位和县里的系统管理员")
    facts = PostEnded(actor.office, 0, (), command.post, known.reach, known.last, command.office)
    return Draft(command.office, known.post[0], "person", facts, TextBody(command.reason))


def _erase(command: EraseBody, actor: Actor, known: Known) -> Draft:
    _may(actor, "erase", "依法删除正文")
    ledger, origin, seq = item_of(command)
    _own(actor, ledger)
    if known.item is None:
        raise Refused("field_impossible", field="item", what="条目", why="本机没有这一条")
    facts = BodyErased(actor.office, 0, (), ledger, origin, seq, command.ground)
    instead = command.replacement.strip()
    return Draft(ledger, known.item[0], "erasure", facts, TextBody(instead) if instead else None)


def _vouch(command: VouchReset, actor: Actor, known: Known) -> Draft:
    """Stands in the ledger of the place concerned, so that its people see who answered for whom."""
    if not actor.powers & {"people", "admin"}:
        raise Refused("not_allowed", what="帮下级找回密码")
    if not known.below:
        raise Refused("field_impossible", field="node", what="机器", why="它不归本机管")
    _own(actor, known.below)
    return _answered_for(known.below, command.node, command.account, actor)


def _issue(command: IssueCode, actor: Actor, known: Known) -> Draft:
    """Who gets the code is let in as that person: it is written where the person stands, like a reset that was vouched for."""
    if not actor.powers & {"people", ADMIN}:
        raise Refused("not_allowed", what="发登录码")
    office = next((office for office in known.registered if place.within(office, actor.office)), "")
    if not office:
        raise Refused("page_unknown")
    _guard(known.is_guarded, actor, "给能看密封件的人和县里的系统管理员发登录码")
    return _answered_for(office, known.node, command.account, actor)


def _answered_for(ledger: str, node: str, account: str, actor: Actor) -> Draft:
    name = account.strip()
    return Draft(ledger, derive(f"{node} {name}", "account"), "account", ResetVouched(actor.office, 0, (), node), TextBody(name))


def _guard(is_guarded: bool, actor: Actor, what: str) -> None:
    if is_guarded and not may_guard(actor):
        raise Refused("not_allowed", what=what)


def _may(actor: Actor, power: str, what: str) -> None:
    if power not in actor.powers:
        raise Refused("not_allowed", what=what)


def _own(actor: Actor, office: str) -> None:
    """The actor's own office or one below it; a top office's own units count as below."""
    if not place.within(office, actor.office):
        raise Refused("not_allowed", what=f"管 {office} 的人和事")
