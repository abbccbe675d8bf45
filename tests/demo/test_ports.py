"""Ports of a demo that is started again: addresses stay what they were said to be, except where somebody else has them now."""

import socket

import msgspec

from deploy.demo.county import choose_ports, where_free


def test_what_somebody_has_now_is_changed_and_the_rest_stays():
    known = choose_ports(near=False)
    with socket.create_server(("127.0.0.1", known.leaf)), socket.create_server(("127.0.0.1", known.pages["hub"])):
        now = where_free(known)
    taken = {known.leaf, known.pages["hub"]}
    assert now.leaf not in taken and now.pages["hub"] not in taken
    assert msgspec.structs.replace(now, leaf=known.leaf, pages={**now.pages, "hub": known.pages["hub"]}) == known
