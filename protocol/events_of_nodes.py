"""Events about people, nodes, tables and the law: what is no dispute and no task. Read through `protocol.events`."""

from protocol.facts import Body, Facts, Whole

# ── people ──


class PersonRegistered(Facts):
    pass


class PersonRegisteredBody(Body):
    name: str
    phone: str = ""


class PostGiven(Facts):
    post: str
    kind: str
    home: str


class PostGivenBody(Body):
    title: str


class PostEnded(Facts):
    """What was known of the post's work when it ended: entries of its people beyond that are set aside until they are reviewed.

    reach: ledgers that this was known of (what the node that ended it covers) · last: (ledger, origin, seq) of each lane there that
    the post's nodes write · of: the office of the post · source: in *common*, the entry in that office's ledger (`origin/seq`).
    """

    post: str
    reach: tuple[str, ...] = ()
    last: tuple[tuple[str, str, Whole], ...] = ()
    of: str = ""
    source: str = ""


class ResetVouched(Facts):
    """Somebody answered for a new password of an account of this node; the account stands in the body."""

    node: str


# ── node, tables, law ──


class LaneOpened(Facts):
    """Entry 1 of every lane. certificate: bytes of protocol.certificate.Certificate, signed by the county."""

    certificate: bytes


class TableSet(Facts):
    """A code table, calendar, template or notice of *common*: whole, with version and date. content: JSON bytes."""

    name: str
    version: str
    valid_from: str
    content: bytes


class NodeEnrolled(Facts):
    certificate: bytes


class NodeRevoked(Facts):
    """last: (ledger, origin, last good seq); what that node wrote after is set aside everywhere.

    tips: the chain hash at each of `last`, in its order: of two histories of a lane (a copied computer) this one stays the lane.
    said: (ledger, origin, seq) that the node's own signed Haves claimed beyond `last`: written there, and held by nobody who was heard ·
    heard_ms: when it was heard last (0: never).
    """

    node: str
    last: tuple[tuple[str, str, Whole], ...]
    tips: tuple[bytes, ...] = ()
    said: tuple[tuple[str, str, Whole], ...] = ()
    heard_ms: Whole = 0


class BranchDecided(Facts):
    """What became of one entry of another history of a lane. decision: adopt (written anew by this origin) or contest."""

    origin: str
    seq: Whole
    hash: bytes
    decision: str


class BodyErased(Facts):
    """Its body, where there is one, is what may be read in place of the words that went; it can be erased like any other."""

    ledger: str
    origin: str
    seq: Whole
    ground: str


class Sealed(Facts):
    """Outer entry of a sealed ledger; its body is a sealed box (X25519) to the hub, with head and body inside."""


class SealedBody(Body):
    box: bytes
