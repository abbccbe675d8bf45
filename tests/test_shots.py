"""`./run shots` fails where a page has no picture."""

from tests.shots_more import missing


def test_a_page_without_a_picture_is_named():
    routes = {"/", "/today", "/cases/new", "/cases/{subject:str}", "/cases/{subject:str}/ask", "/tasks/{subject:str}"}
    assert missing({"/today", "/cases/new", "/cases/ab/ask"}, routes) == ["/cases/{subject:str}", "/tasks/{subject:str}"]
    assert missing({"/today", "/cases/new", "/cases/ab", "/cases/ab/ask", "/tasks/cd"}, routes) == []
