"""Who plays in the demo: four nodes of one real county, and made-up people with accounts. Places are real, nobody else is."""

from typing import Final

import msgspec

COUNTY: Final = "330523"
TOWNSHIP: Final = "330523/330523111"  # 天子湖镇
VILLAGE: Final = "330523/330523111/330523111217"  # 高禹村
NEIGHBOUR: Final = "330523/330523111/330523111201"  # 良朋村
PASSWORD: Final = "yidi-demo-2026"  # noqa: S105, printed on the screen; the demo listens on loopback alone


class Person(msgspec.Struct, frozen=True):
    """node: folder that has the account ("" = no account) · kind: of the post."""

    name: str
    kind: str
    office: str
    node: str = ""
    account: str = ""
    title: str = ""
    phone: str = ""


class Place(msgspec.Struct, frozen=True):
    """One node of the demo. home: page to open first."""

    folder: str
    path: str
    port: int
    home: str


NODES: Final = (
    Place("hub", COUNTY, 8330, "/board"),
    Place("town", TOWNSHIP, 8331, "/desk"),
    Place("gaoyu", VILLAGE, 8332, "/desk"),
    Place("liangpeng", NEIGHBOUR, 8333, "/desk"),
)

PEOPLE: Final = (
    Person("周敏", "operator", COUNTY, "hub", "zhoumin", "值班长"),
    Person("赵国平", "admin", COUNTY, "hub", "admin", "系统管理员"),
    Person("沈律", "discipline", f"{COUNTY}/u12", "hub", "jiwei", "信访室"),
    Person("方志林", "department", f"{COUNTY}/u09", "hub", "ziran", "自然资源窗口"),
    Person("吴晓燕", "department", f"{COUNTY}/u08", "hub", "zhujian", "住建窗口"),
    Person("李强", "officer", TOWNSHIP, "town", "liqiang", "综治中心副主任"),
    Person("陈建国", "cadre", TOWNSHIP, "town", "chenjianguo", "驻村干部", "13800000001"),
    Person("叶红梅", "cadre", TOWNSHIP, "town", "yehongmei", "妇联干部", "13800000002"),
    Person("徐阿法", "cadre", TOWNSHIP, "town", "xuafa", "司法所调解员", "13800000003"),
    Person("王芳", "clerk", VILLAGE, "gaoyu", "wangfang", "网格员"),
    Person("沈美琴", "clerk", NEIGHBOUR, "liangpeng", "shenmeiqin", "调解员"),
)
