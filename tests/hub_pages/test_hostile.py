"""What a node of the county may sign takes no page from anybody: neither that of a case of others nor the figures of all."""

from typing import Any

import msgspec
import pytest

from protocol import events
from protocol.commands import Blob
from protocol.events import AgreementSigned, AgreementSignedBody, Draft, EvidenceAdded, EvidenceAddedBody
from tests.hub_pages.world import Hub
from tests.node.desk_kit import VILLAGE
from tests.node.hostile_kit import Writer, logged


async def signs(hub: Hub, *drafts: Draft) -> None:
    """The village's computer, by its true key."""
    origin = hub.village.signer.origin
    hostile = Writer(hub.village, VILLAGE, (await hub.root.journal.heads())[VILLAGE, origin])
    await hub.root.admission.admit(hostile.batch(*drafts), hub.village.signer.node)


@pytest.mark.parametrize("address", ["x", "", "a" * 64 + "\n"])
async def test_a_file_of_no_address_takes_nobody_the_page_of_a_case(hub: Hub, address: str):
    case = hub.cases["田埂地界"]
    body = EvidenceAddedBody(Blob(address, b"k" * 32, "a.jpg", "image/jpeg", 1))
    await signs(hub, Draft(VILLAGE, case, "dispute", EvidenceAdded(VILLAGE, 1, (), "photo", 1), body))
    assert "田埂地界" in (await hub.client.get(f"/cases/{case}")).text


def of_amount(subject: str, fen: int) -> Draft:
    made = logged(subject)
    return Draft(made.ledger, subject, made.sort, msgspec.structs.replace(made.facts, amount_fen=fen), made.body)


def corrected(subject: str, field: str, value: Any) -> Draft:
    facts = events.DisputeCorrected(VILLAGE, 1, (), field, value)
    return Draft(VILLAGE, subject, "dispute", facts, events.DisputeCorrectedBody("x"))


async def test_no_amount_is_too_large_to_be_summed(hub: Hub):
    """SQLite gives up a sum beyond 64 bits, and with it the page of all that is counted."""
    before = (await hub.get("/statistics?period=year"))["found"]["whole"]["amount_fen"]
    huge = [of_amount(f"{n:032x}", 2**63 - 1) for n in range(1, 4)]
    by_hand = [one for n in range(4, 7) for one in (logged(f"{n:032x}"), corrected(f"{n:032x}", "amount_fen", 2**53 - 1))]
    await signs(hub, *huge, *by_hand, of_amount(f"{7:032x}", 500))
    assert (await hub.get("/statistics?period=year"))["found"]["whole"]["amount_fen"] == before + 500
    for path in ("/statistics", "/statistics.csv", "/statistics.xlsx", "/cases.xlsx"):
        assert (await hub.client.get(path)).status_code == 200, path


@pytest.mark.parametrize("copies", [2**52, 0, -7])
async def test_the_paper_of_an_absurd_agreement_is_printed(hub: Hub, copies: int):
    facts = AgreementSigned(VILLAGE, 1, (), "1", "written", 2**52, ("x", "2026-13-45", "1-2"), "", 10**13, copies)
    await signs(hub, logged("1" * 32), Draft(VILLAGE, "1" * 32, "dispute", facts, AgreementSignedBody(["x"] * 120, "y")))
    got = await hub.client.get(f"/cases/{'1' * 32}/agreement.pdf")
    assert got.status_code == 200, got.text
