"""Refusals are data: a code for programs, an HTTP status for pages, one plain sentence for the person at the desk.

`Refused` is raised by whatever is strict (decide, parsers, admission); whoever shows it never invents another wording.
"""

from typing import Final

SENTENCES: Final[dict[str, tuple[int, str]]] = {
    # what a person at a page meets
    "form_incomplete": (422, "还差 {count} 项，没有保存。"),
    "field_missing": (422, "请填写{what}。"),
    "field_impossible": (422, "{what}不对：{why}。"),
    "text_too_long": (422, "{what}最多 {most} 个字，现在有 {have} 个。"),
    "place_ended": (422, "{place}已经并入{into}，新的纠纷请登记到{into}。"),
    "case_unknown": (404, "没有这件纠纷，或者不在您能看的范围内。"),
    "task_unknown": (404, "没有这项任务，或者不是派给您的。"),
    "page_unknown": (404, "没有这一页，地址可能写错了。请回到首页再找。"),
    "sign_in_needed": (401, "请先登录。"),
    "page_of_another": (
        409,
        "这一页是{theirs}打开的，现在登录的是{mine}：什么也没有存下。请{theirs}重新登录，再点一次；{mine}要办，请刷新这一页。",
    ),
    "page_of_post": (
        409,
        "这一页是以{theirs}的岗位打开的，现在的岗位是{mine}：什么也没有存下。要接着办，请重新登录，再点一次；要以{mine}的岗位办，请刷新这一页。",
    ),
    "form_of_post": (409, "这些是以{theirs}的岗位写的，现在的岗位是{mine}：什么也没有存下。请重新登录，写的会原样回来。"),
    "form_of_another": (409, "这些是{theirs}打开的页上写的，现在登录的是{mine}：什么也没有存下。请{theirs}登录，写的会原样回来。"),
    "sign_in_of_another": (409, "这一页是{theirs}打开的，要{theirs}来登录；写的都还在这一页上。{mine}没有登录，要办请另开一页。"),
    "sign_in_wrong": (401, "账号或密码不对。"),
    "recovery_wrong": (401, "答复不对、已经过期，或者试的次数太多。请重新要一串，再打电话问一次。"),
    "post_needed": (403, "账号和密码都对，但是这个账号现在没有岗位。请找本单位管理员。"),
    "post_coming": (503, "账号和密码都对。这台机器的台账刚修复过，您的岗位还在从别的机器取回，请过一会儿再登录。"),
    "sign_in_throttled": (429, "输错次数太多，请 {minutes} 分钟后再试。"),
    "not_allowed": (403, "您的岗位不能做这一步：{what}。"),
    "not_served": (403, "这台机器不替“{office}”办事，请在它自己的机器上办。"),
    "ledger_not_covered": (403, "这件事不归本级受理范围：{place}。"),
    "cross_site": (403, "这个请求来自别的网站，已拒绝。"),
    "not_holder": (409, "这件纠纷现在由{holder}承办，只有承办单位能做这一步。"),
    "not_now": (409, "现在是“{status}”，不能{what}。"),
    "no_offer": (409, "没有等您受领的上报或交办，可能别人已经受领。请看最新的情况。"),
    "transfer_pending": (409, "已经转给{to}，等对方受领或退回；现在不能再送、不能办结。"),
    "no_receiver": (409, "没有可以转办的单位：管得到这本台账的，请用上报或交办。"),
    "not_receiver": (422, "不能转给{what}：它管得到这本台账，或者还没有自己的机器。请用上报、交办或联调。"),
    "offer_pending": (409, "已经送给{to}、还没有受领，不能再送。要改送请先撤回。"),
    "offer_open": (409, "已经送给{to}、还没有受领。请先撤回，再{what}。"),
    "only_above": (403, "只有承办单位的上级才能{what}，现在由{holder}承办。"),
    "only_apart": (403, "内部意见由{place}的上级或者窗口、部门来写；写在{place}自己的台账里，{place}就看得到了。"),
    "not_follow_up": (409, "回访由{office}或者承办单位{holder}来记。"),
    "ending_unfit": (409, "现在是“{status}”，不能按“{ending}”办结。"),
    "void_too_late": (409, "已经办过“{what}”，不能作废。请按结果办结，或者并案。"),
    "void_merged_in": (409, "{codes} 并进了这一件，作废了就没有人办。先把那一件重开，或者把这一件并过去、按结果办结。"),
    "merged_removed": (409, "并入的那一件已经移出，这一件不能重开。"),
    "follow_up_outstanding": (409, "还有回访没做完：{why}。先记回访，再归档。"),
    "same_office": (422, "不能送给自己。"),
    "not_above": (422, "只能上报给上一级：{what}。"),
    "not_below": (422, "只能交办给下级或者窗口、部门：{what}。"),
    "due_needed": (422, "交办要写明要求办结的日期（信访工作条例第22条）。"),
    "due_past": (422, "期限已经过去，请改成以后的日期。"),
    "type_unknown": (422, "没有这个纠纷类型：{type}。"),
    "type_closed": (422, "类型“{type}”已经停用，请改选{successor}。"),
    "sealed_type": (422, "检举控告要密封登记，不能当普通纠纷登记。请改用“密封转交”。"),
    "task_not_yours": (403, "这项任务派给了别人。"),
    "field_post_needed": (403, "您现在没有下派干部的岗位，手机上的任务收不到、步骤也发不出。写的都还在手机里。请找本单位管理员。"),
    "task_linked": (409, "这项任务由对方在自己的台账里办，答复会回到这里。"),
    "task_not_now": (409, "任务现在是“{status}”，不能{what}。请看最新的情况。"),
    "cadre_unreachable": (422, "这位干部的手机不归能到达该村的节点管，请换一位。"),
    "cadre_is_party": (422, "{name}与这件纠纷的当事人同名，请先确认是否需要回避。"),
    "reason_of_adopting": (422, "不采纳请另写理由：“{reason}”是采纳的理由。"),
    "review_unknown": (409, "没有这条待核对事项，可能已经核对过。"),
    "file_too_large": (413, "文件太大：最多 {most} 兆，这个有 {have} 兆。"),
    "upload_too_large": (413, "一次传的文件太多：合起来最多 {most} 兆，请分几次加。"),
    "files_too_many": (422, "一次最多附 {most} 个文件，这里有 {have} 个，都没有存。请少选几个，其余的保存以后再加。"),
    "store_full": (507, "本机存附件的地方满了（最多 {most} 兆），没有传。请告诉管理员清出空间，或者调高上限。"),
    "upload_too_many": (429, "没传完的文件太多（最多 {most} 个），请先等它们传完，或者取消几个。"),
    "upload_unknown": (404, "还没有传完，或者本机已经没有了，请再选一次，会从断的地方接着传：{what}。"),
    "file_kind": (422, "只收照片、录音和 PDF，这个文件打不开：{what}。"),
    "file_kind_unread": (422, "只收照片、录音和 PDF，这个文件打不开。BMP、GIF 一类的图请另存为 JPG 再选。"),
    "glyph_missing": (422, "打印字库里没有{what}，没有打印。可以选“缺字留空打印”，再用笔补上。"),
    "paper_unready": (503, "打印用的字库还没有装到这台机器上，请告诉管理员重新安装一次。"),
    "paper_failed": (500, "这份文书没有打印成，内容没有丢。请再试一次；还不行请告诉管理员。"),
    "file_not_here": (404, "这个文件还没有传到本机，连上以后会自己补上，请过一会儿再打开。"),
    "file_gone": (404, "这个附件已经依法删除，或者不再给您看；也可能是地址写错了。"),
    "push_refused": (422, "这台手机的浏览器用的推送服务，本机没有开通。页面开着时照样提醒。"),
    "disk_full": (507, "磁盘满了，没有保存。您写的还在表格里：请清出空间后再点一次保存。"),
    "store_busy": (503, "存储正忙，没有保存。您写的还在表格里：请过几秒再点一次保存。"),
    "store_readonly": (
        507,
        "本机的存储现在只能读、不能写，没有保存。您写的还在表格里：请先抄在纸上，并请管理员检查磁盘或数据库；能写了会自动恢复，再点一次保存。",
    ),
    "store_damaged": (
        503,
        "本机台账有损坏，已停止写入，正在修复，缺的从别的机器取回。请先记在纸上，过一两分钟再看；一直这样请告诉管理员。",
    ),
    "node_revoked": (403, "本机已被县里停用，不能再写。请联系县社会治理中心。"),
    "files_readonly": (
        507,
        "本机存附件的磁盘只能读、不能写：文字照常能存，附件暂时存不进来。请管理员检查那块磁盘，能写了会自动恢复。",
    ),
    "shut_out": (
        403,
        "县里不再接受这台电脑的连接，多半是停用了它。写下的只存在本机，送不出去。请打电话问县里；停用了的，用新的登记码恢复使用。",
    ),
    "node_forked": (
        403,
        "这台电脑的数据被复制过，另一台也在用它的身份写，本机已停止写入。请联系县社会治理中心要新的登记码，填到“连接与台账”里。",
    ),
    "restored_waits": (503, "本机刚从备份恢复，正在和别的机器核对，核对完才打开页面。请过几秒再试。"),
    "command_invalid": (422, "请求的格式不对：{why}。"),
    # what the operator meets on 连接与台账
    "frame_broken": (400, "收到的数据包不完整或被改动。"),
    "frame_too_large": (413, "收到的数据包超过上限。"),
    "version_unknown": (400, "数据包的格式版本本机不认识：{version}。"),
    "batch_malformed": (400, "数据包的内容不合格式：{why}。"),
    "lane_foreign": (403, "数据包里有不归本机的台账：{ledger}。"),
    "lane_gap": (409, "数据包接不上：本机到第 {have} 条，它从第 {got} 条开始。"),
    "lane_fork": (409, "同一条号出现两份不同的内容：{lane} 第 {seq} 条，已隔离。"),
    "signature_wrong": (403, "签名不对，拒收。"),
    "claim_unshown": (403, "说它有本机写的更多条目，却没有拿出来。"),
    "claim_refused": (403, "说它有本机写的更多条目，却不让本机取。"),
    "lanes_too_many": (413, "它说的有 {count} 道条目（或者台账），按已登记的机器最多该有 {most} 道，多出的没有理会。"),
    "certificate_wrong": (403, "发送方没有县里签发的有效证书，拒收。"),
    "office_not_served": (403, "发送方替它不服务的单位写了条目：{office}。"),
    "body_wrong": (400, "正文与摘要对不上：第 {seq} 条。"),
    "origin_revoked": (403, "发送方已被停用。"),
    "pull_refused": (403, "对方不在这个台账的范围内，没有给它。"),
    "node_unknown": (404, "没有这个节点：{node}。节点编号见“连接与台账”。"),
    "code_unknown_late_or_used": (403, "登记码不对、已过期或已用过，请向县里要一个新的。"),
    "code_of_another_county": (403, "这个登记码是别的县的，本机没有改动。请核对登记码，或者向本县要一个新的。"),
    "code_of_another_place": (403, "这个登记码是给{name}的，本机是{own}，没有改动。请向县里要本机的登记码，错用的那个要停用。"),
    "key_put_out": (403, "这台电脑上次登记到一半的身份已被停用，换一个也没有成。请再试一次；还不行，请向县里要一个新的登记码。"),
    "joining_now": (409, "本机正在登记或者换登记码，请等它好了再看；过一分钟还没有好，再试一次。"),
    "county_busy": (503, "县中心现在忙，登记码还能用，过一会儿再试；一直这样，请打电话告诉县里。"),
    "key_not_proven": (403, "登记请求没有证明持有密钥。"),
    "proof_wrong": (422, "这份证明不成立：{why}。"),
    "stick_too_large": (413, "这个文件太大（最多 {most} 兆）：导出的文件没有这么大的，请看看是不是选错了。"),
    "stick_gone": (404, "这个文件已经不在了：过了一小时，或者又导出过一次。请重新导出。"),
    "receiver_unknown": (404, "不认识节点 {node}，没有导出。"),
    "bundle_elsewhere": (400, "这个文件是给{whose}的，不是给本机的：请在那里导入；要给本机的，请重新导出，选本机。"),
    "bundle_wrong": (400, "这个文件不是本县的导出包，或者已经损坏：{why}。"),
}

# What a node refused of others, for its own people: why, by the code alone and without a word of what came, and what to do next
_AGAIN: Final = "能补的会自动重新取，不用做什么；次数还在增加，就告诉县里的系统管理员。"
_TELL: Final = "请告诉县里的系统管理员，由他找那台机器的人。"
_TOLD: Final[dict[str, tuple[str, str]]] = {
    "frame_broken": ("数据不完整，或者在路上被改动。", _AGAIN),
    "frame_too_large": ("数据超过上限。", _AGAIN),
    "batch_malformed": ("内容不合格式。", _AGAIN),
    "body_wrong": ("正文与摘要对不上。", _AGAIN),
    "version_unknown": ("数据的格式本机不认识，多半是两边的程序版本不同。", "请告诉县里的系统管理员，核对两台机器的程序版本。"),
    "lane_foreign": ("里面有不归本机的台账。", _TELL),
    "lane_fork": ("同一编号有两份不同的内容，两份都留着。", "多半是那台电脑被复制过，请告诉县里的系统管理员。"),
    "signature_wrong": ("签名不对。", _TELL),
    "certificate_wrong": ("没有县里签发的有效证书。", _TELL),
    "claim_unshown": ("说它有本机写的更多条目，却没有拿出来。", _TELL),
    "claim_refused": ("说它有本机写的更多条目，却不让本机取。", "本机可能已被停用，请问县里的系统管理员。"),
    "lanes_too_many": ("它说有的条目，道数比可能有的多，多出的没有理会。", _TELL),
    "office_not_served": ("替它不服务的单位写了条目。", _TELL),
    "origin_revoked": ("那台机器已被停用。", "那台还在用的话，请告诉县里的系统管理员。"),
    "store_full": ("本机存附件的地方满了。", "请告诉县里的系统管理员，清出空间或者调高上限；以后会自动再取。"),
}
ASK: Final = "次数还在增加，就打电话问那里的人。"  # said to the one whom the others are to tell
_OTHER: Final = ("本机没有收下。", _TELL)
SEALED_TOLD: Final = ("送来的密封内容没有收下。", "能补的会自动重新取；次数还在增加，请系统管理员查本机的日志。")

OWN_STORE: Final = frozenset(
    {"disk_full", "store_busy", "store_readonly", "store_damaged"}
)  # refusals that are our own store's, never the fault of what came


class Refused(Exception):
    """A refusal with its code; `status` and `sentence` come from SENTENCES, words fill the braces.

    `field` names the form field that it concerns ("" = the whole form).
    """

    def __init__(self, code: str, *, field: str = "", **words: object) -> None:
        self.code, self.field, self.words = code, field, words
        self.status, template = SENTENCES[code]
        self.sentence = template.format(**words)
        super().__init__(f"{code}: {self.sentence}")


def told(code: str) -> tuple[str, str]:
    """(why, what to do next) of what was refused of another node."""
    return _TOLD.get(code, _OTHER)
