"""Who this node is when it writes: node, epoch, signing key and the certificate that the root key signed.

`short` (the number in case codes), `serves` and `covers` come from the certificate: there is no second place for them.
"""

from dataclasses import dataclass

from nacl.signing import SigningKey

from protocol import entry
from protocol.certificate import Certificate


@dataclass(frozen=True, slots=True)
class Signer:
    node: str
    epoch: int
    key: SigningKey
    certificate: Certificate

    @property
    def origin(self) -> str:
        return entry.origin_of(self.node, self.epoch)

    @property
    def serves(self) -> tuple[str, ...]:
        return tuple(self.certificate.serves)

    @property
    def covers(self) -> tuple[str, ...]:
        return tuple(self.certificate.covers)

    @property
    def short(self) -> int:
        return self.certificate.short

    def sign(self, hash_: bytes) -> bytes:
        """The signature of one commit on one lane: over the chain hash of its last entry."""
        return entry.sign(self.key, hash_)
