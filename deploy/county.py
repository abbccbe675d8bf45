"""The county itself, founded once in a folder: its keys, its authority over NATS and certificates, the hub's own identity.

county = County.open(folder, config, now_ms)     founds it when the folder is empty
await check_store(folder, config)                before it, of a county on PostgreSQL
county = County.of(folder, config, now_ms)       the one that was founded here, never a new one
folder/county/      county.key (signs certificates of nodes), NATS seeds and ca.key: whoever has them is the county
folder/identity/    the hub as a node, with sealing.key (reads sealed reports)
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from nacl.public import PrivateKey
from nacl.signing import SigningKey

from deploy import backup_keys
from deploy.nats.certificates import CertificateAuthority
from deploy.nats.identity import Authority
from hub.enrolment import Enrolment, node_id_of
from protocol import certificate as certificates
from protocol.data import PACKAGED
from protocol.node.config import Config
from protocol.node.identity import About, Identity, write_whole
from protocol.node.journal import has_entries
from protocol.node.link import creds
from protocol.node.node import Node, store_url
from protocol.place import COMMON, SEALED
from protocol.tables import Tables

KEYS = ("county.key", "operator.seed", "account.seed", "system.seed", "nats.json", "ca.key", "ca.pem")  # of folder/county
SHORT = 1  # the hub's number in case codes; every node that joins gets the next


async def no_server() -> None:
    """This program runs no server that would have to hear of a new trust."""


def check_keys(folder: Path) -> None:
    """Claims that the county of this folder has its keys. Raises FileNotFoundError: there is none here; RuntimeError: it is another node's
    folder, or the keys are missing or another county's. Made anew they would fit nobody's credentials."""
    identity, home = Identity(folder), folder / "county"
    if not identity.exists:
        raise FileNotFoundError(f"{folder} 里没有县中心。目录不对，请加上 --folder 目录；还没有建县，先运行 yidi hub")
    about = identity.about()
    if about.node != about.root_node:
        raise RuntimeError(f"{folder} 是{about.name}的数据目录，不是县中心的：这里运行 yidi edge，县里的命令到县中心运行")
    if missing := [name for name in KEYS if not (home / name).exists()]:
        raise RuntimeError(
            f"{home} 里没有 {'、'.join(missing)}。县的密钥在县中心第一个进程的数据目录里，请到那里运行；"
            "如果刚恢复过，请先把另存的 county/ 整个放回去"
        )
    if bytes(SigningKey((home / "county.key").read_bytes()).verify_key) != about.root_public:
        raise RuntimeError(f"{home} 里是另一个县的密钥，和 {identity.folder} 对不上。请把一起另存的 county/ 和 identity/ 都放回去")


async def check_store(folder: Path, config: Config) -> None:
    """Claims that where a county would be founded the database has no other one's entries: nobody could read them under new keys. Raises
    RuntimeError; as Journal.open does."""
    url = store_url(folder, config)
    if not Identity(folder).exists and not url.startswith("sqlite") and await has_entries(url):
        raise RuntimeError(
            f"数据库里有台账，{folder} 里没有 identity/。请先把另存的 identity/ 和 county/ 放回去；要新建一个县，请换一个空的数据库"
        )


class County:
    def __init__(self, folder: Path, config: Config, now_ms: int) -> None:
        self.folder, self.config, self.home = folder, config, folder / "county"
        self.identity = Identity(folder)
        self.key = SigningKey(self._kept("county.key"))
        self.authority = Authority(self.home, now_ms // 1_000)
        place = config.root.place
        self.name = Tables.packaged().office_name(place)
        self.ca = CertificateAuthority(self.home, f"{self.name} CA", now_ms // 1_000)

    @classmethod
    def open(cls, folder: Path, config: Config, now_ms: int) -> "County":
        """Raises RuntimeError: the folder has an identity or a journal, and not what belongs to it."""
        if Identity(folder).exists:
            return cls.of(folder, config, now_ms)
        if (folder / "journal.db").exists():
            raise RuntimeError(f"{folder} 里有台账，没有 identity/。请先把另存的 identity/ 和 county/ 放回去")
        folder.mkdir(parents=True, exist_ok=True)
        county = cls(folder, config, now_ms)
        county._found(now_ms)
        return county

    @classmethod
    def of(cls, folder: Path, config: Config, now_ms: int) -> "County":
        """Raises as `check_keys`."""
        check_keys(folder)
        county = cls(folder, config, now_ms)
        county._show_hosts(now_ms)
        return county

    @property
    def servers(self) -> list[str]:
        nats = self.config.nats
        return self.config.link.servers or [f"{_reach(nats.host, self.address)}:{nats.port}"]

    @property
    def address(self) -> str:
        http = self.config.http
        return self.config.root.address or f"{http.host}:{http.port}"

    @property
    def leaf_remote(self) -> str:
        nats = self.config.nats
        return f"tls://{nats.leaf_remote or f'{_reach(nats.host, self.address)}:{nats.leaf_port}'}"

    def enrolment(self, node: Node, applied: Callable[[], Awaitable[Any]] = no_server) -> Enrolment:
        """applied: gives our server the new trust; by default there is none here, and whoever runs it reads it from *common*."""
        return Enrolment(
            node.journal,
            node.desk,
            node.certificate,
            self.key,
            node.about.sealing_public,
            self.authority,
            self.ca,
            node.clock,
            address=self.address,
            servers=self.servers,
            leaf_remote=self.leaf_remote,
            applied=applied,
            made_up=node.made_up,
        )

    async def furnish(self, node: Node) -> None:
        """What *common* must hold from the first day: the packaged tables, unless the county has set its own, and the hub itself."""
        have = {row["name"] for row in await node.journal.rows("table_row")}
        for name, (version, valid_from, content) in PACKAGED.items():
            if name not in have:
                await node.desk.set_table(name, version, valid_from, content)
        await node.desk.enrol_node(node.certificate)

    # ── the rest is private ──

    def _kept(self, name: str) -> bytes:
        path = self.home / name
        if not path.exists():
            write_whole(path, bytes(SigningKey.generate()))
            self.home.chmod(0o700)
        return path.read_bytes()

    def _show_hosts(self, now_ms: int) -> None:
        """Whoever dials our server or pages by one of these finds it in the certificate; the address may be another than yesterday."""
        hosts = dict.fromkeys(_host(address) for address in (*self.servers, self.leaf_remote, self.address))
        own = node_id_of(bytes(self.identity.signing_key().verify_key))
        self.ca.write_own(self.identity.folder, own, [host for host in hosts if host], now_ms // 1_000)

    def _found(self, now_ms: int) -> None:
        root, home = self.config.root, self.identity.folder
        key, sealing = self.identity.signing_key(), PrivateKey.generate()
        write_whole(home / "sealing.key", bytes(sealing))
        units = Tables.packaged().units_of(root.place)
        certificate = certificates.issue(
            self.key,
            node=node_id_of(bytes(key.verify_key)),
            name=self.name,
            key=bytes(key.verify_key),
            serves=(root.place, *units, *root.serves),
            covers=(f"{root.place}/*", f"{root.place}/{SEALED}/*", COMMON),
            short=SHORT,
            valid_from_ms=now_ms,
        )
        self.identity.key(backup_keys.NAME)
        self.authority.write_node_creds(certificate, home / creds.CREDS, home / creds.SEED, now_ms // 1_000)
        self._show_hosts(now_ms)
        about = About(
            node=certificate.node,
            name=self.name,
            root_node=certificate.node,
            root_public=bytes(self.key.verify_key),
            sealing_public=bytes(sealing.public_key),
            certificate=certificates.encode(certificate),
            made_up=self.config.demo.made_up,
        )
        self.identity.save(about)


def _reach(host: str, address: str) -> str:
    """A host that others can dial: where a server listens on every address, the one by which its pages are reached."""
    return address.rpartition(":")[0] if host in ("", "0.0.0.0", "::") else host  # noqa: S104, compared, not bound


def _host(address: str) -> str:
    return address.removeprefix("tls://").rpartition(":")[0].strip("[]")
