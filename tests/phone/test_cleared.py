"""A phone whose browser cleared its store says less than before: its carrier and who sent him are told, once it is noticed."""

import pytest

from tests.hub_pages.world import JSON, Hub, world

STORE, OTHER = "5c9a1b7e-store-one", "0f3d2c4a-store-two"


@pytest.fixture
async def hub(tmp_path):
    async with world(tmp_path) as made:
        yield made


async def asked(hub: Hub, store: str, n: int) -> str:
    return (await hub.get(f"/task/mine?kept=&store={store}&n={n}"))["cleared_at"]


async def sent_and_signed_in(hub: Hub) -> str:
    await hub.sign_in("operator")
    subject = await hub.send()
    await hub.sign_in("cadre")
    return subject


async def dispatcher_sees(hub: Hub, path: str) -> bool:
    await hub.sign_in("operator")
    return "被清过" in (await hub.client.get(path, headers={"accept": "text/html"})).text


@pytest.mark.parametrize(("store", "n"), [(OTHER, 0), (OTHER, 9), (STORE, 2)])
async def test_a_counter_that_went_back_or_another_store_under_one_session_is_told_to_both(hub, store, n):
    subject = await sent_and_signed_in(hub)
    assert [await asked(hub, STORE, count) for count in (0, 3, 3)] == ["", "", ""]
    assert await asked(hub, store, n)
    assert await asked(hub, store, n + 1), "until he has read it"
    assert (await hub.client.post("/task/cleared", headers=JSON)).status_code == 200
    assert await asked(hub, store, n + 1) == ""
    for path in (f"/tasks/{subject}", "/board"):
        assert await dispatcher_sees(hub, path), "whoever sent him calls him, whether he has read it or not"


async def test_a_second_phone_and_a_phone_that_counts_on_are_nothing_to_tell(hub):
    subject = await sent_and_signed_in(hub)
    assert await asked(hub, STORE, 3) == ""
    await hub.sign_in("cadre")  # a session of its own: another phone
    assert await asked(hub, OTHER, 0) == ""
    assert await asked(hub, OTHER, 1) == ""
    assert await asked(hub, "not a name!", 0) == ""
    assert not await dispatcher_sees(hub, f"/tasks/{subject}")


async def test_what_was_cleared_before_he_was_sent_is_no_matter_of_this_task(hub):
    await sent_and_signed_in(hub)
    await asked(hub, STORE, 3)
    assert await asked(hub, STORE, 1)
    hub.county.clock.pass_ms(60_000)
    await hub.sign_in("operator")
    assert not await dispatcher_sees(hub, f"/tasks/{await hub.send('工钱没结清')}")
