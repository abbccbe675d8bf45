"""How each page is used, in a few sentences, shown with the keys (F1): whoever sits here for the first time needs no other book."""

from typing import Final

PAGES: Final[dict[str, tuple[str, ...]]] = {
    "/today": (
        "最上面的最急：按法定时限排，超期的在前。右边的按钮直接打开下一步，做之前会写明会对谁发生什么。",
        "“没写完的”是您自己写到一半的；“还在路上”是已经存在本机、还没有送到别处的，网络通了自动送出。",
    ),
    "/desk": (
        "有人来，按 F2，先照来访人的话写，再填当事人，按 Ctrl+Enter 保存。类型、风险是提示，点了才算。",
        "没有网络照样能登记：保存以后先“已存本机”，通了再一级一级打勾。写到一半断电也不会丢。",
    ),
    "/inbox": ("别的单位送来、等本单位受领的，等得最久的在最上面。点一件，在旁边看经过，受领或者写明理由退回。",),
    "/cases/new": ("只有“什么事”和一个当事人是必填的，别的以后再补。检举控告不要写在这里，用密封转交。",),
    "/cases/": (
        "左边是经过，谁在什么时候做了什么；每一条下面是送到了哪里。右边或上面是下一步，点开先写明会对谁发生什么。",
        "标着“搁置”的没有丢：它和后来的情况对不上，由承办单位核对后决定算不算数。",
    ),
    "/cases": ("可以按状态、类型、地方筛选，地址就是筛选，能收藏、能发给同事。按 / 直接搜姓名、编号、事由。",),
    "/tasks": ("派下去的走访：每一件写着现在到了哪里、多久没有动静，最久没有动静的在最上面，可以催办、改派、撤回。",),
    "/visits/team": ("选好去哪几件、谁去、哪一天，先排一下看谁去哪；点“派出”以前什么也不会发出。没有派出的会写明原因，再派一次不会重复。",),
    "/link": ("每台机器和本机差多少、从什么时候起、时钟快慢、版本、磁盘。离线不要紧，存在本机的一条不会少。",),
    "/reviews": ("停用的电脑、离岗的人交来的，按来处放在一起。可以一条一条核对，也可以整台一次采纳。",),
    "/board": (
        "上面的数字就是筛选，点一下只看那些；左边的格子是各地，颜色和字写着最急的时限。列表里时限最急的在最上面。",
        "↑↓ 选中一件：t 受领，d 派单，c 请部门联调；勾上几件（x）再点“一起派”。常用的筛选可以起个名字，存成标签。",
    ),
    "/calendar": ("联调会写着几点、请了谁；走访写着最迟几点、谁去；“到期”是本单位手上那一件最近的时限。可以打印。",),
    "/people": ("登记人员和岗位；第一次登录用一次性的登录码。离岗要在这里办，他写的没送到的会等人核对，不会丢。",),
}


def help_of(path: str) -> tuple[str, ...]:
    """The sentences for the page at this path; the longest beginning counts. () where a page needs none."""
    fitting = [start for start in PAGES if path == start or (start.endswith("/") and path.startswith(start))]
    return PAGES[max(fitting, key=len)] if fitting else ()
