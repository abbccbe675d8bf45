"""What the command line says when something is in the way: one plain sentence, never a traceback; and nothing is half done."""

import base64
import json
import shutil
import socket
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from cryptography import x509

from deploy.county import County
from deploy.demo.cast import NEIGHBOUR, TOWNSHIP, VILLAGE
from deploy.keeping import opened
from deploy.nats import servers
from deploy.nats.identity import Authority, Trust
from deploy.nats.servers import free_ports
from deploy.running import with_certificate
from edge.enrol import enrol, renew
from hub.enrolment import Invitation
from protocol.node.config import Config, Http, load
from protocol.node.identity import Identity
from protocol.node.node import Node, now_ms
from tests.kit.county import yidi


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def founded(tmp_path_factory) -> Path:
    """A county of one machine, and `village` and `town`, computers that joined it."""
    home = tmp_path_factory.mktemp("founded")
    county = County.open(home / "hub", Config(), now_ms())
    node = await Node.open(home / "hub", Config())
    await county.furnish(node)
    enrolment = county.enrolment(node)
    await enrolment.announce_trust()

    async def post(_address: str, body: bytes) -> tuple[int, bytes]:
        return 200, await enrolment.redeem(body)

    for folder, place, name in (("village", VILLAGE, "高禹村"), ("town", TOWNSHIP, "天子湖镇")):
        await enrol(await enrolment.invite(place=place, name=name), home / folder, post)
    await node.close()
    return home


@pytest.fixture
def home(founded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(founded, tmp_path / "home"))


def revoked(trust: Trust) -> dict[str, int]:
    """Public key of a user → second, as every server reads it."""
    claims = trust.account_jwt.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=="))["nats"]["revocations"]


async def test_who_is_revoked_at_the_command_line_stays_so_whatever_the_running_hub_notes(home: Path):
    running, village = Authority(home / "hub/county", 0), Identity(home / "village").about().node
    ran = await yidi("revoke", village, "--folder", home / "hub")
    assert ran.code == 0 and "1 个连接凭证作废" in ran.out, ran
    running._note("nanother2", "UANOTHER")  # somebody joins
    assert len(revoked(running.trust())) == len(revoked(Authority(home / "hub/county", 0).trust())) == 1


async def test_who_was_revoked_by_a_clock_that_was_back_is_put_out_for_good(home: Path):
    """As older programs noted it: nats-server lets in a token that was issued after that second."""
    file, user = home / "hub/county/nats.json", "UOLD"
    kept = json.loads(file.read_bytes())
    file.write_text(json.dumps(kept | {"revoked": {user: 86_400}}))
    assert revoked(Authority(home / "hub/county", 0).trust())[user] > now_ms() // 1_000 + 100 * 365 * 86_400


async def test_a_computer_that_is_renewed_dials_with_another_key(home: Path):
    """The one that was put out stays out for good."""
    hub, village = home / "hub", home / "village"
    county, before = County.of(hub, Config(), now_ms()), (village / "identity/link.seed").read_bytes()
    async with opened(hub, Config()) as node:
        enrolment = county.enrolment(node)

        async def post(_address: str, body: bytes) -> tuple[int, bytes]:
            return 200, await enrolment.redeem(body)

        old = Identity(village).about().node
        await renew((await enrolment.renew(old))[1], village, post)
    assert (village / "identity/link.seed").read_bytes() != before
    users = json.loads((hub / "county/nats.json").read_bytes())["users"]
    assert not {*users[old]} & {*users[Identity(village).about().node]} and {*users[old]} == {*revoked(county.authority.trust())}


async def test_keys_that_were_put_back_from_an_older_copy_let_nobody_in_again(home: Path):
    hub, older = home / "hub", (home / "hub/county/nats.json").read_bytes()
    assert (await yidi("revoke", Identity(home / "village").about().node, "--folder", hub)).code == 0
    (hub / "county/nats.json").write_bytes(older)
    county = County.open(hub, Config(), now_ms())
    assert not revoked(county.authority.trust())
    async with opened(hub, Config()) as node:
        await county.enrolment(node).announce_trust()
    assert len(revoked(county.authority.trust())) == 1


async def test_only_a_computer_that_joined_is_put_out_and_never_the_county_itself(home: Path):
    hub = home / "hub"
    before = (hub / "county/nats.json").read_bytes()
    for command in ("revoke", "renew"):
        for node, why in (("nabcdefgh", "没有这个节点：nabcdefgh"), (Identity(hub).about().node, "这是县中心自己，不能停用")):
            ran = await yidi(command, node, "--folder", hub)
            assert ran.code == 1 and why in ran.err and not ran.out, ran
    assert (hub / "county/nats.json").read_bytes() == before


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield held.getsockname()[1]


async def test_a_port_that_is_taken_is_named_with_what_to_do(tmp_path, taken: int):
    text = f"[http]\nport = {taken}\n[nats]\nrun = false\n"
    (tmp_path / "yidi.toml").write_text(text)
    ran = await yidi("hub", "--folder", tmp_path)
    assert ran.code == 1
    assert f"127.0.0.1:{taken} 已被别的程序占用" in ran.err
    assert "[http] port" in ran.err and "Traceback" not in ran.err


async def test_a_county_that_does_not_answer_is_said_in_words_and_the_code_stays_good(tmp_path):
    ran = await yidi("edge", "enrol", f"127.0.0.1:{free_ports(1)[0]}/AAAA-BBBB-CCCC-DDDD", "--folder", tmp_path / "v")
    assert ran.code == 1
    assert "连不上 127.0.0.1" in ran.err and "登记码还能用" in ran.err and "Traceback" not in ran.err


@pytest.mark.parametrize(
    "error", [socket.gaierror(-2, "Name or service not known"), TimeoutError("timed out"), OSError(113, "No route to host")]
)
async def test_whatever_keeps_a_county_from_answering_is_said_in_the_same_words(tmp_path, monkeypatch, error: OSError):
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("edge.enrol._send", fails)
    ran = await yidi("edge", "enrol", "county.example:8330/AAAA-BBBB-CCCC-DDDD", "--folder", tmp_path / "v")
    assert ran.code == 1 and "连不上 county.example:8330" in ran.err and "登记码还能用" in ran.err, ran


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("import", "{}/none.bin"), "没有这个文件或目录：{}/none.bin"),
        (("import", "{}"), "这是目录，不是文件：{}"),
        (("restore", "{}/none.tar"), "没有这个文件或目录：{}/none.tar"),
        (("proof", "{}/none.proof"), "没有这个文件或目录：{}/none.proof"),
        (("export", "{}/none/out.bin"), "没有 {}/none 这个目录"),
        (("backup", "{}/none/out.tar"), "没有 {}/none 这个目录"),
        (("digest", "--config", "{}/none.toml"), "没有 {}/none.toml 这个配置文件"),
        (("place", "merge", VILLAGE, NEIGHBOUR, "--from", "2026-1-5"), "没有 2026-1-5 这一天"),
        (("place", "split", VILLAGE, "330523111233", "--name", "新塘村", "--from", "2026-02-30"), "没有 2026-02-30 这一天"),
        (("place", "split", VILLAGE, "330523111233", "--name", "新塘村", "--from", "0"), "没有 0 这一天"),
    ],
)
async def test_a_wrong_word_is_answered_in_chinese(home: Path, words, why: str):
    ran = await yidi(*(word.format(home) for word in words), "--folder", home / "hub")
    assert ran.code == 1 and why.format(home) in ran.err and "Errno" not in ran.err and "Traceback" not in ran.err, ran


@pytest.mark.parametrize("command", ["digest", "rebuild", "heal", "demo"])
async def test_with_json_the_last_line_tells_also_what_could_not_be_done(tmp_path: Path, command: str):
    (tmp_path / "yidi.toml").write_text("[http]\nprot = 1\n")
    ran = await yidi(command, "--json", "--folder", tmp_path)
    told = json.loads(ran.out.splitlines()[-1])
    assert ran.code == 1 and (told["command"], told["ok"], told["figures"]) == (command, False, {}) and told["seconds"] >= 0
    assert told["why"] == ran.err.strip() and "http.port" in told["why"]


async def test_a_digest_tells_what_every_answer_in_json_does(home: Path):
    ran = await yidi("digest", "--json", "--folder", home / "hub")
    told = json.loads(ran.out.splitlines()[-1])
    assert told["ok"] and told["seconds"] >= 0 and told["figures"]["ledgers"] == len(told["ledgers"]) > 0
    assert told["figures"]["entries"] == sum(entries for _, entries in told["ledgers"].values())


async def test_a_password_that_nobody_can_type_says_so(home: Path, monkeypatch):
    def no_terminal(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", no_terminal)
    ran = await yidi("passwd", "wangfang", "--ask", "--folder", home / "hub")
    assert ran.code == 1 and "没有终端" in ran.err and "Traceback" not in ran.err, ran


async def test_a_wrong_setting_is_named_with_its_line(tmp_path):
    (tmp_path / "yidi.toml").write_text('[http]\nport = "acht"\n')
    ran = await yidi("hub", "--folder", tmp_path)
    assert ran.code == 1 and "第 2 行 http.port" in ran.err
    assert Config().http.port == 8330


async def test_a_folder_that_was_never_enrolled_says_what_comes_first(tmp_path):
    ran = await yidi("edge", "--folder", tmp_path)
    assert ran.code == 1 and "yidi edge enrol" in ran.err


COUNTY_COMMANDS = (("invite", "--place", VILLAGE), ("revoke", "nabcdefgh"), ("renew", "nabcdefgh"), ("place", "merge", VILLAGE, NEIGHBOUR))


@pytest.mark.parametrize("words", COUNTY_COMMANDS)
async def test_a_command_of_the_county_in_another_folder_founds_no_second_county(home: Path, tmp_path: Path, words):
    nowhere, beside, joined = tmp_path / "nowhere", tmp_path / "beside", home / "village"
    shutil.copytree(home / "hub/identity", beside / "identity")
    for folder, why in ((nowhere, "--folder"), (beside, "没有 county.key"), (joined, "是高禹村的数据目录，不是县中心的")):
        before = sorted(folder.rglob("*"))
        ran = await yidi(*words, "--folder", folder)
        assert ran.code == 1 and why in ran.err and "Traceback" not in ran.err and not ran.out, ran
        assert sorted(folder.rglob("*")) == before, "nothing was made"


async def test_a_county_whose_keys_were_forgotten_or_are_anothers_does_not_start_with_new_ones(home: Path, tmp_path: Path):
    hub, kept, backup = home / "hub", tmp_path / "county", tmp_path / "hub.tar"
    assert (await yidi("backup", backup, "--folder", hub)).code == 0
    (hub / "county").rename(kept)
    for words in (("hub",), ("restore", backup)):
        ran = await yidi(*words, "--folder", hub)
        assert ran.code == 1 and "county.key" in ran.err and "放回去" in ran.err, ran
        assert not (hub / "county").exists()
    shutil.copytree(kept, hub / "county")
    (hub / "county/county.key").write_bytes(bytes(range(32)))
    ran = await yidi("hub", "--folder", hub)
    assert ran.code == 1 and "另一个县的密钥" in ran.err, ran
    shutil.rmtree(hub / "identity")
    ran = await yidi("hub", "--folder", hub)
    assert ran.code == 1 and "没有 identity/" in ran.err and not (hub / "identity").exists(), ran


def hosts(file: Path) -> set[str]:
    names = x509.load_pem_x509_certificate(file.read_bytes()).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}


async def test_a_county_that_is_told_its_address_later_can_be_dialled_by_it(home: Path):
    """Its certificate was signed when it knew only itself: who dials the new address would refuse it for ever."""
    hub, pem = home / "hub", home / "hub/identity/tls.pem"
    first = pem.read_bytes()
    ran = await yidi("invite", "--place", VILLAGE, "--folder", hub)
    assert ran.code == 0 and "别的电脑连不上 127.0.0.1:8330、127.0.0.1:4222" in ran.err, ran
    assert pem.read_bytes() == first and "10.0.0.1" not in hosts(pem)
    (hub / "yidi.toml").write_text('[nats]\nhost = "0.0.0.0"\n[root]\naddress = "10.0.0.1:8330"\n')
    ran = await yidi("invite", "--place", VILLAGE, "--folder", hub)
    assert ran.code == 0 and ran.out.startswith("登记码") and "：10.0.0.1:8330/" in ran.out and not ran.err, ran
    assert {"10.0.0.1", "127.0.0.1", "localhost"} <= hosts(pem)
    (hub / "yidi.toml").write_text('[root]\naddress = "10.0.0.1:8330"\n')
    ran = await yidi("invite", "--place", VILLAGE, "--folder", hub)
    assert "别的电脑连不上 127.0.0.1:4222，" in ran.err, "its pages are found, its messages are not"


PERSON = ("--name", "周敏", "--post", "operator")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("person", "taken", *PERSON), "已经有人用了"),
        (("person", "a b", *PERSON), "登录账号不对"),
        (("person", "zhoumin", "--name", "周敏", "--post", "boss"), "没有 boss，可以写的有 clerk"),
        (("invite", "--place", VILLAGE, "--account", "wang", "--leaf", "10.0.0.2:4222"), "只有乡镇一级可以带"),
        (("invite", "--place", TOWNSHIP, "--account", "li", "--leaf", "10.0.0.2"), "主机:端口"),
        (("invite", "--place", VILLAGE, "--account", "wang", "--post", "boss"), "没有 boss"),
        (("invite", "--place", VILLAGE, "--account", "w"), "登录账号不对"),
        (("invite", "--place", VILLAGE, "--person", "王芳"), "--account"),
    ],
)
async def test_what_is_wrong_is_said_and_nobody_is_registered(home: Path, words, why: str):
    hub = home / "hub"
    async with opened(hub, Config()) as node:
        await node.people.add_account("taken", "0" * 32, None, now_ms())
    ran = await yidi(*words, "--folder", hub)
    assert ran.code == 1 and why in ran.err and not ran.out, ran
    async with opened(hub, Config()) as node:
        assert not await node.journal.rows("person_row") and not await node.journal.rows("invitation", "used_ms = 0")


async def test_a_township_without_a_server_that_ever_ran_is_invited_again_without_one(home: Path):
    """Older programs took `--leaf 10.0.0.2`, by which the township's program ended at once."""
    hub, branch = home / "hub", TOWNSHIP.rpartition("/")[2]
    async with opened(hub, Config()) as node, node.journal.writing() as w:
        await w.set_local(f"leaf {branch}", b"10.0.0.2")
    ran = await yidi("renew", Identity(home / "town").about().node, "--folder", hub)
    assert ran.code == 0, ran
    async with opened(hub, Config()) as node:
        (row,) = await node.journal.rows("invitation", "used_ms = 0")
    assert msgspec.msgpack.decode(row["content"], type=Invitation).leaf == ""


async def test_a_further_post_goes_to_who_has_the_account(home: Path):
    hub = home / "hub"
    assert (await yidi("person", "zhoumin", *PERSON, "--folder", hub)).code == 0
    async with opened(hub, Config()) as node:
        ((_, person),) = await node.people.accounts()
    more = ("--name", "周敏", "--post", "cadre", "--person", person, "--folder", hub)
    ran = await yidi("person", "zhoumin", *more)
    assert ran.code == 0 and "一次性密码" not in ran.out, ran


async def test_a_backup_holds_the_files_also_where_they_lie_in_a_folder_of_their_own(home: Path, tmp_path: Path):
    hub, files, backup = home / "hub", tmp_path / "files", tmp_path / "hub.tar"
    (hub / "yidi.toml").write_text(f'[files]\nfolder = "{files}"\n')
    async with opened(hub, load(hub / "yidi.toml", {})) as node:
        kept = await node.blobs.put(b"%PDF-1.4 a paper", "现场.pdf", "application/pdf")
    assert (await yidi("backup", backup, "--folder", hub)).code == 0
    shutil.rmtree(files)
    assert (await yidi("restore", backup, "--folder", hub)).code == 0
    async with opened(hub, load(hub / "yidi.toml", {})) as node:
        assert await node.blobs.get(kept) == b"%PDF-1.4 a paper"
    assert not [path for path in (hub / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("http", "why"),
    [
        ('certificate = "identity/tls.pem"', "要一起写"),
        ('key = "identity/tls.key"', "要一起写"),
        ('certificate = "identity/tls.pem"\nkey = "tls.key"', "hub/tls.key（相对路径从数据目录算起）"),
        ('certificate = "identity/tls.pem"\nkey = "county/ca.key"', "不是一对能用的"),
    ],
)
async def test_pages_that_were_to_be_served_over_https_are_never_served_without(home: Path, http: str, why: str):
    hub = home / "hub"
    (hub / "yidi.toml").write_text(f"[http]\n{http}\n[nats]\nrun = false\n")
    ran = await yidi("hub", "--folder", hub)
    assert ran.code == 1 and why in ran.err and "Traceback" not in ran.err, ran


def test_files_of_https_are_taken_from_the_folder_of_the_node(home: Path):
    made = with_certificate(home / "hub", Config(http=Http(certificate="identity/tls.pem", key="identity/tls.key")))
    assert (made.http.certificate, made.http.key) == (str(home / "hub/identity/tls.pem"), str(home / "hub/identity/tls.key"))
    assert with_certificate(home / "hub", Config()) == Config()


@pytest.mark.parametrize("name", ["port", "leaf_port"])
async def test_a_port_of_messages_that_is_taken_is_named_and_no_stranger_taken_for_our_own(home: Path, taken: int, monkeypatch, name: str):
    monkeypatch.setattr(servers, "FREE_S_MAX", 0.2)
    hub, (other,) = home / "hub", free_ports(1)
    ports = {"port": other, "leaf_port": other} | {name: taken}
    (hub / "yidi.toml").write_text(f"[nats]\nport = {ports['port']}\nleaf_port = {ports['leaf_port']}\n")
    ran = await yidi("hub", "--folder", hub)
    assert ran.code == 1 and f"127.0.0.1:{taken}（NATS）已被别的程序占用" in ran.err and f"[nats] {name} 换一个" in ran.err, ran
