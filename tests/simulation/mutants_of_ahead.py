"""Mutations of what was folded ahead, and of the runs that the door hands to the journal: other entries, other tables, another lane."""

from typing import Final

from tests.simulation.planting import Cut, Mutation

HOME: Final = "protocol.node.journal"
BY_AHEAD: Final[tuple[Mutation, ...]] = (
    Mutation(
        "a guess for other entries", "what was folded ahead is used although other entries stand there by now",
        (Cut(f"{HOME}.ahead:Ahead.take", "len(of) == len(entries) and all(map(is_, of, entries)) and ", ""),),
        by="tests/node/test_ahead.py::test_words_that_were_erased_before_they_came_are_in_no_row",
    ),
    Mutation(
        "a guess by what was", "what was folded ahead is used although somebody was put out since",
        (Cut(f"{HOME}.ahead:Ahead.take", " and all(map(is_, by, self._by(tables)))", ""),),
        by="tests/node/test_ahead.py::test_it_is_used_once_for_the_very_entries_tables_and_revocations",
    ),
    Mutation(
        "a run of another lane", "what was proven is written wherever its lane ends by then",
        (
            Cut(f"{HOME}.writing:Writing._after", "if first.seq != head.seq + 1:", "if False:"),
            Cut(f"{HOME}.writing:Writing._after", "if chain(head.hash, first.head_bytes) != first.hash:", "if False:"),
        ),
        by="tests/node/test_runs.py",
    ),
)  # fmt: skip
