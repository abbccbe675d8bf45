"""Production broken on purpose, one fault at a time: each must be found, or the suite is not worth its time.

    ./run sim --mutations [--json]                  all of them; non-zero when one survives or no longer applies
    python -m tests.simulation.mutations NAME       one of them: plants it, then runs seeds until one is red

M1 to M14 are those of the reliability page, the others are ours. A mutation is planted in a process of its own and the ordinary seeds are
run from 1 on: the first red one tells after how many it was found and by which check. `by` names the test that must turn red instead where
virtual time can't see it. The same seeds and tests must be green unplanted, which is run as well (`unplanted`).
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from tests.simulation.mutants_of_ahead import BY_AHEAD
from tests.simulation.mutants_of_certificates import BY_CERTIFICATE
from tests.simulation.plan import Plan, draw
from tests.simulation.planting import Cut, Mutation, plant

PROCESSES: Final = 2
SECONDS_MAX: Final = 420.0  # of one mutation
HERE: Final = "tests.simulation.mutations"
ENV: Final = "YIDI_MUTATION"  # what a test that is run with `-p tests.simulation.planted` is to plant
CHECK_CHARS_MAX: Final = 110


class Found(msgspec.Struct, frozen=True):
    """seeds: the seed that found it, all before it found nothing (0: by a test) · run: how many of them were run · check: what turned red; "" when nothing did."""

    name: str
    seeds: int
    check: str
    seconds: float
    run: int = 0


LINK, NODE = "protocol.node.link", "protocol.node"

MUTATIONS: Final[tuple[Mutation, ...]] = (
    Mutation(
        "M1", "Have is said before the commit it speaks of",
        (
            Cut(
                f"{LINK}.hearing:Hearing._admit",
                "        await ground.admission.admit(got, speaker)\n",
                "        from protocol.lane import LaneHead, hashes\n"
                "        ground.heads.setdefault(got.ledger, {})[got.origin] = LaneHead(got.last, [*hashes(got)][-1])\n"
                "        self._say(got.ledger)\n"
                "        await ground.admission.admit(got, speaker)\n",
            ),
        ),
        quick=True,
    ),
    Mutation(
        "M2", "the disk is not synced before the receipt",
        (Cut("tests.simulation.store:Disk.__init__", "self.is_full = self.lies = False", "self.is_full, self.lies = False, True"),),
        needs=("kill",),
    ),
    Mutation(
        "M2 in the store", "SQLCipher is told not to sync",
        (Cut(f"{NODE}.journal.engine:connect_sqlite", '"synchronous = FULL"', '"synchronous = OFF"'),),
        by="tests/node/test_journal_faults.py::test_the_settings_that_promises_rest_on",
    ),
    Mutation(
        "M3", "a receipt counts entries instead of asking for this one",
        (
            Cut(
                f"{NODE}.marks:_mark",
                "    if any(s.seq >= seq for s in heard):\n",
                "    if sum(s.seq for (node, path, _), s in said.items() if node in level.nodes and path == ledger) >= seq:\n",
            ),
        ),
        seeds_max=200,
    ),
    Mutation(
        "M4", "wall clocks order what turns should",
        (Cut("protocol.hold:read", "(head.turn, _tier", "(head.occurred_ms, _tier"),),
    ),
    Mutation(
        "M5", "the hash of the entry before is not asked for",
        (
            Cut("protocol.lane:check", "if known <= len(chained) and", "if False and"),
            Cut(f"{NODE}.admission:_cut", "if here != before:", "if False:"),
            Cut(f"{NODE}.journal.writing:Writing._next", "if chain(head.hash, e.head_bytes) != e.hash:", "if False:"),
            Cut(f"{NODE}.journal.writing:Writing._after", "if chain(head.hash, first.head_bytes) != first.hash:", "if False:"),
        ),
        needs=("clone",),
        seeds_max=200,
    ),
    Mutation(
        "M6", "a lane of another origin is accepted",
        (
            Cut(f"{LINK}.hearing:Hearing.live", "if got.ledger != ledger or entry.node_of(got.origin) != speaker:", "if got.ledger != ledger:"),
            Cut("protocol.lane:_certificates", "all(c.node == node and certificates", "all(certificates"),
            Cut("protocol.lane:_certificates", "or len({c.key for c in found}) > 1", ""),
        ),
        seeds_max=120,
        needs=("forge",),
    ),
    Mutation(
        "M7", "the last outcome wins, whoever holds by now",
        (Cut("protocol.hold:_Terms._closed", "trial.put_aside(item, LATE)", "trial.effects.append((item, None))"),),
        seeds_max=120,
    ),
    Mutation(
        "M8", "what no longer fits is dropped instead of set aside",
        (Cut("protocol.hold:_Walk.put_aside", "self.aside[item.key], self.set_aside[item.key] = code, item", "pass"),),
    ),
    Mutation(
        "M9", "entries are published inside the transaction",
        (
            Cut(
                f"{NODE}.desk:Desk._write_all",
                "proven += commit.entries\n",
                "proven += commit.entries\n            await self.said(commit.batch)\n",
            ),
            Cut(
                f"{NODE}.node:Node.__init__",
                "    self.outdated = asyncio.Event()",
                "    from protocol import batch as batches\n"
                "    from protocol.node.link import subjects\n"
                "    self.desk.said = lambda b: self.link.publish(subjects.live(b.ledger, self.certificate.node), batches.pack(b))\n"
                "    self.outdated = asyncio.Event()",
            ),
        ),
        quick=True,
    ),
    Mutation(
        "M10", "what is sent again goes under a new id",
        (
            Cut(
                f"{NODE}.desk:Desk._submit",
                "async with self.journal.writing(brief=True, urgent=True) as w:",
                "command = msgspec.structs.replace(command, id=self._chance(16).hex())\n    async with self.journal.writing(brief=True, urgent=True) as w:",
            ),
        ),
        needs=("click_twice", "send_again", "send_answered_again"),
    ),
    Mutation(
        "M11", "views are written in a transaction of their own, after the entries",
        (
            *(
                Cut(
                    f"{NODE}.journal.writing:Writing.{where}",
                    "await projection.project(self.connection, piece, begun, self._later)",
                    "self.late = [*getattr(self, 'late', []), piece]",
                )
                for where in ("_write", "project")
            ),
            Cut(
                f"{NODE}.journal.journal:Journal._own_transaction",
                'killpoints.reach("journal.committed")\n',
                'killpoints.reach("journal.committed")\n'
                "            for piece in getattr(w, 'late', []):\n"
                "                await c.begin()\n"
                "                await projection.project(c, piece, set(), self._later)\n"
                "                await _to_the_end(c.commit())\n",
            ),
        ),
        seeds_max=300,
    ),
    Mutation(
        "M12", "a wildcard brings sealed ledgers of others",
        (Cut(f"{LINK}.subjects:heard_subjects", "sealed_ledger(certificate), *", "sealed_ledger(certificate).rpartition('/')[0] + '/*', *"),),
        quick=True,
    ),
    Mutation(
        "M13", "files travel before texts",
        (Cut(f"{LINK}.fetching:Fetching._text_first", "while not self._catchup.is_done", "while False and not self._catchup.is_done"),),
        seeds_max=120,
    ),
    Mutation(
        "M14", "the server's list of revoked keys is all that revocation is",
        (Cut(f"{NODE}.shelf:Shelf.last_good", "return None if lanes is None else", "return None if True else"),),
        needs=("revoke", "lose", "clone"),
        seeds_max=200,
    ),
    Mutation(
        "gap off by one", "a Have that shows one entry more shows nothing",
        (Cut(f"{LINK}.hearing:Hearing._compare", "        if seq > here.seq:\n", "        if seq > here.seq + 1:\n"),),
        seeds_max=120,
    ),
    Mutation(
        "Have unheeded", "what a Have shows to be missing is not pulled",
        (Cut(f"{LINK}.hearing:Hearing._compare", "self._catchup.need(got.ledger, origin, seq, got.node, signed=is_signed)", "pass"),),
    ),
    Mutation(
        "covers by prefix", "a reach is read as the beginning of a text",
        (
            Cut(
                "protocol.place:covers",
                'if r == path or (r.endswith("/*") and within(path, r[:-2])):',
                'if path.startswith(r.removesuffix("/*")):',
            ),
        ),
    ),
    Mutation(
        "restore unnoticed", "a database that is older than the mark beside it is taken as it is",
        (
            Cut(f"{NODE}.journal.witness:Witness.ahead", "if head.seq < seq or", "if False and"),
            Cut(f"{LINK}.claims:is_later_self", "return entry.node_of(origin)", "return False and entry.node_of(origin)"),
        ),
        seeds_max=200,
        needs=("forget", "restore", "rollback"),
    ),
    Mutation(
        "erasure forgets what comes later", "a body that arrives after its erasure is kept",
        (Cut(f"{NODE}.journal.writing:Writing._without_erased", "if e.key in met else e for", "if False else e for"),),
        by="tests/node/test_admission.py::test_an_erasure_reaches_every_copy_and_waits_for_what_is_not_here",
    ),
    Mutation(
        "erasure by number", "an erasure takes the words of whatever entry has the number",
        (Cut(f"{NODE}.journal.writing:Writing.erase", "if e is None or e.subject != subject:", "if e is None:"),),
        by="tests/node/test_journal.py::TestSqlite::test_an_erasure_leaves_the_words_of_another_subject_that_has_the_number",
    ),
    Mutation(
        "heads without words", "a batch carries the heads and leaves the words out",
        (Cut("protocol.batch:cut", "None if row.salt is None or row.body is None else (row.salt, row.body)", "None"),),
        quick=True,
    ),
    Mutation(
        "words unasked for", "words that did not come along with their entry are asked of nobody",
        (Cut(f"{LINK}.words:Words._look", "lost = await lacking(self._ground.journal, self._counts)", "lost = []"),),
        by="tests/simulation/test_words.py",
    ),
    Mutation(
        "files never come", "what a holder gives of a file is not taken",
        (Cut(f"{LINK}.fetching:Fetching._piece", "return answer.data if answer is not None and answer.data else None", "return None"),),
        seeds_max=30,
    ),
    Mutation(
        "erasure stays at home", "a body is erased only where it was decided",
        (Cut(f"{NODE}.admission:Admission._write", "await erase_bodies(w, counting)", "set()"),),
        seeds_max=60,
    ),
    Mutation(
        "pull without asking who", "a lane is given to whoever asks",
        (Cut(f"{LINK}.answers:Answers.pull", "await self._may(msg.reply, ask.ledger)", 'await self._may(msg.reply, "")'),),
        seeds_max=120,
        needs=("pry",),
    ),
    Mutation(
        "foreign ledger", "a node may write into ledgers that it does not cover",
        (Cut("protocol.lane:check", "if not any(certificates.writes(c, batch.ledger) for c in ours):", "if False:"),),
        seeds_max=120,
        needs=("forge",),
    ),
    Mutation(
        "first come, first held", "of two moves that open a term, the one that arrived first wins",
        (
            Cut(
                "protocol.hold:_Terms._closed",
                "key=lambda item: (item.order[1], item.order[0], item.key)",
                "key=lambda item: item.admitted.received_ms",
            ),
        ),
        seeds_max=120,
    ),
    Mutation(
        "erasure left behind", "an erasure that comes back with the history of others is not carried out",
        (Cut(f"{NODE}.forks:Forks._follow", "await erase_bodies(w, counting)", "set()"),),
        by="tests/node/test_forks.py::test_an_erasure_that_comes_back_with_the_history_of_others_is_carried_out_again",
    ),
    Mutation(
        "folded by what was", "a fold that follows from a revocation does not wait for what is being written",
        (Cut(f"{NODE}.folding:fold_again", "await journal.barrier()", "pass"),),
        by="tests/node/test_admission.py::test_what_is_being_written_while_a_revocation_comes_is_folded_by_it_too",
    ),
    Mutation(
        "one code for two", "a number that was given twice stays so",
        (Cut(f"{NODE}.errands:Errands.codes", 'self._is_mine(errand := f"code {subject}", here, there)', "False"),),
        by="tests/node/test_codes_anew.py::test_the_later_case_gets_a_new_number_and_keeps_the_old_one_beside_it",
    ),
    Mutation(
        "digest over counts", "two histories of the same length are taken for one",
        (
            Cut(f"{LINK}.hearing:Hearing._compare", "elif seq == here.seq and hash_ != here.hash:", "elif False:"),
            Cut(f"{NODE}.admission:Admission._compare", "if ours != theirs:", "if False:"),
        ),
        # copies hear each other's voice, and a folder put back asks at once: since then seeds seldom get so far that both lanes are of one length
        by="tests/link/test_pump.py::test_two_histories_under_one_number_are_seen",
    ),
    Mutation(
        "phone lets go early", "a phone forgets what only its own node has",
        (Cut(f"{NODE}.web.phone.routes:is_safe", "return not others or any(others)", "return True"),),
        needs=("phone", "work"),
    ),
    Mutation(
        "code without its epoch", "after a restore case codes begin anew",
        (Cut("protocol.codes:case_code", "_origin(short, epoch), _count(count)", "_origin(short, 1), _count(count)"),),
        seeds_max=300,
        needs=("restore", "rollback", "forget"),
    ),
    Mutation(
        "only the writer is asked", "a lane is pulled from its own node alone",
        (Cut(f"{LINK}.peers:Peers.holders", "worth_asking(found.values(),", "worth_asking([k for n, k in found.items() if origin.startswith(n)],"),),
        seeds_max=120,
        needs=("lose", "kill", "cut", "server"),
    ),
    Mutation(
        "moves see nothing", "whoever takes a case up does not say what he had seen",
        (Cut("protocol.drafts:_take_up", "seen_of(case)", "()"),),
        seeds_max=240,
    ),
    Mutation(
        "posts never end", "what is written for a post that had ended counts as ever",
        (Cut("protocol.hold:out_of_office", "return POST_OVER if", "return '' if"),),
        needs=("replace", "end_post"), seeds_max=300,
    ),
    Mutation(
        "nobody's review", "what is set aside has nobody who must look at it",
        (Cut("protocol.views:_review_rows", '"owner": r.owner', '"owner": ""'),),
    ),
    Mutation(
        "an offer without its case", "an arrival is named by the offer's number alone, which two ledgers may give, and two histories of one",
        (Cut(f"{NODE}.errands:Errands._arrival", '{subject} {origin}', '{origin}'),),
        seeds_max=120,
    ),
    Mutation(
        "sealed in clear", "a sealed report is written as it was typed",
        (Cut(f"{NODE}.sealing:seal", "box = _boxed(padded, sealing_key, chance(32))", "box = padded"),),
        quick=True,
        needs=("seal",),
    ),
    Mutation(
        "M8 for tasks", "of a task, what no longer fits is dropped instead of set aside",
        (Cut("protocol.task_fold:_Aside.put", "self.items[item.key] = (", "_ = ("),),
        seeds_max=60,
        needs=("recall",),
        quick=True,
    ),
    Mutation(
        "a crossed report in silence", "a report of what was recalled counts, and nobody has to look at it",
        (Cut("protocol.task_fold:_Aside.take", 'self.put(item, body, line, CROSSED, "")', "pass"),),
        seeds_max=60,
        needs=("recall",),
    ),
    Mutation(
        "a crossed report dropped", "a report of what was recalled is left out without a word",
        (
            Cut(
                "protocol.task_fold:_evolve",
                "    if task.status not in row.moves or (",
                "    if task.status == 'recalled' and item.kind == 'TaskReported':\n        return ''\n    if task.status not in row.moves or (",
            ),
        ),
        seeds_max=60,
        needs=("recall",),
    ),
    Mutation(
        "linked task never made", "what an office elsewhere is asked for never gets there",
        (Cut(f"{NODE}.errands:Errands.tasks", "(due.TO_LINK, self._link), ", ""),),
        seeds_max=60,
        needs=("ask",),
    ),
    Mutation(
        "answer never told", "what became of a linked task is not told to whoever asked for it",
        (Cut(f"{NODE}.errands:Errands.tasks", ", (due.TO_ANSWER, self._answer)", ""),),
        seeds_max=120,
        needs=("ask",),
    ),
    Mutation(
        "recall never carried", "whoever does a linked task does not hear that it was recalled",
        (Cut(f"{NODE}.errands:Errands.tasks", "(due.TO_RECALL, self._recall), ", ""),),
        seeds_max=200,
        needs=("recall",),
    ),
    Mutation(
        "file without asking who", "a file is given to whoever knows its address",
        (
            Cut(
                f"{LINK}.answers:Answers.blob",
                "self._may(msg.reply, *sorted(ledgers))",
                'self._may(msg.reply, "")',
            ),
        ),
        seeds_max=60,
        needs=("evidence", "log_with_file"),
        quick=True,
    ),
    *BY_CERTIFICATE,
    *BY_AHEAD,
)  # fmt: skip


def named(name: str) -> Mutation:
    """Raises KeyError."""
    return {one.name: one for one in MUTATIONS}[name]


def main(as_json: bool = False, names: Sequence[str] = ()) -> int:
    """All mutations, or those named, and the same seeds unplanted. 0 when every one was found."""
    began, wanted = time.monotonic(), [named(name) for name in names] or list(MUTATIONS)
    found = []
    for one, what in hunted(wanted):
        found.append(what)
        print(_line(one, what), flush=True)
    survivors = [what.name for what in found if not what.check]
    broken = unplanted(sorted({what.seeds for what in found if what.seeds and what.check}), wanted)
    print(*broken, sep="\n")
    figures = {"mutations": len(found), "found": len(found) - len(survivors), "survivors": survivors, "unplanted": broken}
    seconds = round(time.monotonic() - began, 1)
    print(f"{figures['found']} of {len(found)} mutations found, {seconds} s")
    if as_json:
        print(json.dumps({"command": "sim --mutations", "ok": not survivors and not broken, "seconds": seconds, "figures": figures}))
    return 1 if survivors or broken else 0


def hunted(wanted: Sequence[Mutation]) -> Iterator[tuple[Mutation, Found]]:
    """Each in a process of its own, some at once; in the order given."""
    with ThreadPoolExecutor(PROCESSES) as pool:
        yield from zip(wanted, pool.map(hunt, wanted), strict=True)


def hunt(one: Mutation) -> Found:
    """In another process."""
    began = time.monotonic()
    environment = {**os.environ, ENV: one.name}
    test = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.simulation.planted", *one.by.split()]
    command = test if one.by else [sys.executable, "-m", HERE, one.name]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return Found(one.name, 0, "", SECONDS_MAX)
    seconds = round(time.monotonic() - began, 1)
    if one.by:
        failed = [line for line in ended.stdout.splitlines() if line.startswith("FAILED")]
        if ended.returncode != 1 or not failed:
            return Found(one.name, 0, "", seconds)
        return Found(one.name, 0, failed[0].removeprefix("FAILED "), seconds)
    if ended.returncode or not ended.stdout.strip():
        raise RuntimeError(f"{one.name}: {ended.stderr[-2000:]}")
    said = json.loads(ended.stdout.splitlines()[-1])
    return Found(one.name, said["seeds"], said["check"], seconds, said["run"])


def unplanted(seeds: list[int], wanted: Sequence[Mutation]) -> list[str]:
    """What is red though nothing was planted: such a red would have proved nothing."""
    from tests.simulation.command import results

    broken = [f"unplanted seed {seed}: {what[0]}" for seed, what, *_ in results(seeds) if what]
    if tests := sorted({test for one in wanted for test in one.by.split()}):
        ended = subprocess.run([sys.executable, "-m", "pytest", "-q", *tests], capture_output=True, text=True, check=False)
        broken += [line for line in ended.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return broken


def search(one: Mutation) -> Found:
    """In this process, which is spoilt by it. Raises Stale."""
    from tests.simulation import simulate

    began = time.monotonic()
    for cut in one.cuts:
        plant(cut)
    run = 0
    for seed in range(1, one.seeds_max + 1):
        if not is_worth(one, plan := draw(seed)):
            continue
        run += 1
        result = simulate.run(plan)
        if result.broken:
            return Found(one.name, seed, result.broken[0], time.monotonic() - began, run)
    return Found(one.name, one.seeds_max, "", time.monotonic() - began, run)


def is_worth(one: Mutation, plan: Plan) -> bool:
    """Claims that the plan could find it at all: the large counties cost four times as much and show nothing else."""
    return plan.size != "whole" and (not one.needs or any(step.kind in one.needs or step.what in one.needs for step in plan.steps))


def _line(one: Mutation, what: Found) -> str:
    where = "a test" if one.by else f"seed {what.seeds} of at most {one.seeds_max}, {what.run} run"
    said = what.check.replace("\n", " ")[:CHECK_CHARS_MAX]
    return f"{'✓' if what.check else '✗ SURVIVED'} {one.name}: {one.breaks} · {where} · {what.seconds:.0f} s · {said}"


__all__ = ["MUTATIONS", "Found", "Mutation", "main", "named", "search"]

if __name__ == "__main__":
    print(json.dumps(msgspec.to_builtins(search(named(sys.argv[1])))))
