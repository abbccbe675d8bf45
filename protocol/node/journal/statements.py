"""What is kept of other nodes, in SQL that both backends read: what each said it has, and what was refused. Values by name, see `writing`."""

HAVE = (
    "insert into peer_have (node, ledger, origin, seq, hash, highest, at_ms) values (:node, :ledger, :origin, :seq, :hash, :seq, :at)"
    " on conflict (node, ledger, origin) do update set seq = excluded.seq, hash = excluded.hash, at_ms = excluded.at_ms,"
    " highest = case when excluded.seq > peer_have.highest then excluded.seq else peer_have.highest end"
)
UNNAMED = (
    "delete from peer_have where node = :node and ledger = :ledger and seq = 0"
    " and not exists (select 1 from lane where lane.ledger = peer_have.ledger and lane.origin = peer_have.origin)"
    # not `like`: SQLite makes a plan anew each time a value is bound to one
    " and (substr(origin, 1, length(:own)) <> :own or origin not in (select own.origin from peer_have own where own.node = :node"
    " and own.ledger = :ledger and substr(own.origin, 1, length(:own)) = :own order by length(own.origin), own.origin limit :most))"
)
PEER = (
    "insert into peer (node, ledger, at_ms, signed) values (:node, :ledger, :at, :signed)"
    " on conflict (node, ledger) do update set at_ms = excluded.at_ms, signed = excluded.signed"
)
OWN_HAVE = (
    "insert into own_have (ledger, at_ms, signed) values (:ledger, :at, :signed)"
    " on conflict (ledger) do update set at_ms = excluded.at_ms, signed = excluded.signed"
)
QUARANTINE = (
    "insert into quarantine (node, ledger, origin, code, sentence, count, first_ms, last_ms, sample)"
    " values (:node, :ledger, :origin, :code, :sentence, :count, :at, :at, :sample) on conflict (node, ledger, origin, code) do update set"
    " sentence = excluded.sentence, count = quarantine.count + excluded.count, last_ms = excluded.last_ms, sample = coalesce(excluded.sample, quarantine.sample)"
)
OLD_SAMPLES = (
    "update quarantine set sample = null where sample is not null and last_ms <"
    " (select min(last_ms) from (select last_ms from quarantine where sample is not null order by last_ms desc limit :most) as newest)"
)
