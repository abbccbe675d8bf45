// What was sent and what was not: one line for each step and file, in its order, with what can be done about it.
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { discard } from "./drafts.js";
import { Replaced } from "./help.jsx";
import { leaveReport } from "./making.js";
import { again, drop, giveUp, isHeldUp, isUnsent, ONCE, unboxed } from "./outbox.js";
import { delivered, drafts, flow, foreign, halves, isOffline, left, lookAtDrafts, me, mine, notice, outbox, refresh, share, show, signed, tasks, unsaid } from "./state.js";
import { asOf, isHeld, moment, Offline, Sent, SignIn, Tag, useSteady } from "./parts.jsx";
import { Room } from "./room.jsx";

// problem code → what the cadre can do; the sentence of the node stands before it
const ADVICE = {
  task_not_now: "任务的状态已经变了（比如撤回、改派，或另一页上办过了）。这一步不用再发，点“不要这一步了”。",
  task_unknown: "这项任务现在不归您了。点“不要这一步了”；已经去过的，打电话告诉派单的单位。",
  task_not_yours: "这项任务现在不归您了。点“不要这一步了”；已经去过的，打电话告诉派单的单位。",
  field_post_needed: "岗位恢复以后，点“再发一次”。",
  file_too_large: "这个文件太大，发不了。点“不要这一步了”，重拍或录短一些。",
  file_kind: "这种文件收不了。点“不要这一步了”，重拍或重录。",
};
// the same of what waits until the node has room for it
const HELD = {
  store_full: "中心的机器存满了，照片、录音现在收不下，文字照常发。请告诉管理员；清出空间后自动发出。",
  disk_full: "中心的机器存满了，现在收不下。请告诉管理员；清出空间后自动发出。",
  store_readonly: "中心的机器现在只能读、不能写，收不下。请告诉管理员；修好后自动发出。",
  upload_too_many: "没传完的文件太多，这个先等着；别的传完后自动发出。",
};
const OTHERWISE = "可以再发一次；还不行，打电话给派单的单位。";

/** What a refused step says: as long as it is not taken, it can be read nowhere else. */
function Words({ a }) {
  const said = useSignal({});
  useEffect(() => { unboxed(a).then((got) => { said.value = got; }, () => 0); }, [a.id]);
  const { result, words, reason, text } = said.value;
  return (words ?? reason ?? text) && <p class="calm">{result && <strong>{flow.value.results.find((r) => r.code === result)?.name} </strong>}{words ?? reason ?? text}</p>;
}
/** The screen moves before the network is asked: a second tap finds nothing more to take away. */
async function letGo(a, files) {
  const lost = a.of ? "这个文件不要了？它只在这台手机里，去掉就找不回来。" : files.length ? `这一步不要了？写的文字和 ${files.length} 个文件（照片、录音、签名）一起删掉，找不回来。` : ONCE.includes(a.kind) ? "" : "这一步不要了？写的文字一起删掉，找不回来。";
  if (lost && !confirm(lost)) return;
  await drop([a, ...files].map((x) => x.id));
  await show(signed.value);
  refresh();
}
export function Refused({ a }) {
  const files = outbox.value.filter((x) => x.of === a.id);
  return <div class="problem" role="alert">
    <p><strong>“{a.label ?? "这一步"}”没有办成：{a.refused}</strong></p><p>{ADVICE[a.code] ?? OTHERWISE}{a.of ? "它还在手机里，别的照常发。" : a.kind === "ConfirmTask" ? "已经去过的，到场和反馈照常发。" : "写的内容还在手机里，这项任务后面的步骤先不发。"}</p>
    {!a.of && <Words a={a} />}{files.length > 0 && <p>跟着它的照片、录音、签名共 {files.length} 个，也还在手机里。</p>}
    <div class="two"><button onClick={async () => { await again(a); await show(signed.value); refresh(); }}>再发一次</button><button onClick={() => letGo(a, files)}>不要这一步了</button></div>
  </div>;
}

const kib = (bytes) => (bytes > 1_048_576 ? `${(bytes / 1_048_576).toFixed(1)} 兆` : `${Math.max(1, Math.round(bytes / 1024))} KB`);
/** [words, tone] of an item, as true as this phone can know. */
function stateOf(a) {
  if (a.refused) return ["被退回", "late"];
  if (!isUnsent(a)) return ["已送到，正等另一台机器也存好", "good"];
  if (share.value?.id === a.id) return [`发送中 ${Math.floor(share.value.share * 100)}%`, "act"];
  if (signed.value === "out") return ["存在手机 · 等您登录", "soon"];
  if (isHeld(a) && !isOffline.value) return ["存在手机 · 中心现在收不下", "late"];
  return isHeldUp(a, mine.value) ? ["存在手机 · 等前面被退回的一步", "soon"] : ["存在手机 · 待发送", "soon"];
}
/** Of a file that is too long on its way, or is not wanted any more. The report's text goes all the same. */
async function stopSending(a) {
  const asked = a.handed ? "它已经传完，中心可能已经收到了。还要从手机里去掉吗？" : "这个文件不发了？它只在这台手机里，去掉就找不回来。反馈的文字照常发。";
  if (!confirm(asked)) return;
  if (!await giveUp(a.id, a.handed)) notice.value = "它刚刚传完，中心可能已经收到了，没有去掉。";
  refresh();
}
const Item = ({ a }) => {
  const [words, tone] = stateOf(a), about = tasks.value.find((t) => t.id === a.task)?.purpose ?? "";
  return <li class="card"><p class="tags"><strong>{a.label ?? "一步"}</strong>{a.of && a.box && <span class="soft">{kib(a.box.byteLength)}</span>}<Tag tone={tone}>{words}</Tag></p>{about && <p class="soft">{about}</p>}
    {share.value?.id === a.id && <progress max="1" value={share.value.share} aria-label={`${a.label ?? "这一步"}已传`} />}{a.refused && <Refused a={a} />}
    {isHeld(a) && <p>{HELD[a.code] ?? a.held}{asOf()}</p>}
    {a.of && isUnsent(a) && !a.refused && <button class="plain" onClick={() => stopSending(a)}>不发这个了</button>}</li>;
};

/** A report, or words beside it, half written: to be gone on with, or thrown away with all that is in it. */
const Half = ({ task, what }) => {
  const purpose = tasks.value.find((t) => t.id === task)?.purpose ?? "", lost = what ? "没写完的留言不要了？删掉就找不回来。" : "这份没写完的反馈不要了？文字、照片、录音、签名一起删掉，找不回来。";
  const throwAway = async () => {
    if (!confirm(lost)) return;
    if (!what) leaveReport(task, me.value.person, true);
    await discard(task, me.value.person, what);
    await lookAtDrafts();
  };
  return <li class="card"><p class="tags"><strong>{what ? "没写完的留言" : "没写完的反馈"}</strong><Tag tone="soon">只在这台手机里</Tag></p>{purpose && <p class="soft">{purpose}</p>}
    <div class="two"><a class="button" href={`#${task}`}>接着写</a><button onClick={throwAway}>不要了</button></div></li>;
};

export function Queue() {
  const steady = useSteady(), half = [...halves.value, ...unsaid.value];
  return <main class="phone" id="main" ref={steady}>
    <p><a class="back" href="#">‹ 我的任务</a></p><h1>发送情况</h1><Sent link={false} /><Offline /><Room />
    {signed.value === "out" && <SignIn>登录，接着发</SignIn>}
    {left.value > 0 && signed.value !== "out" && !share.value && <p><button onClick={refresh}>现在就发</button></p>}
    {mine.value.some((a) => a.refused) && <section><h2>被退回的，请您看一下</h2><ul class="tasks">{mine.value.filter((a) => a.refused).map((a) => <Item key={a.id} a={a} />)}</ul></section>}
    {half.length > 0 && <section><h2>还没提交的</h2><ul class="tasks">{half.map((d) => <Half key={`${d.task} ${d.what}`} task={d.task} what={d.what} />)}</ul></section>}
    <section><h2>按做的先后</h2>{mine.value.some((a) => !a.refused) ? <ul class="tasks">{mine.value.filter((a) => !a.refused).map((a) => <Item key={a.id} a={a} />)}</ul> : <p class="empty">没有在等的。</p>}</section>
    {foreign.value > 0 && <p class="note">还有别人没有发出的 {foreign.value} 条，加密存着，看不到内容；等本人在这台手机上登录后发出。</p>}
    {drafts.value.length > halves.value.length && <p class="note">还有别人没写完的反馈 {drafts.value.length - halves.value.length} 份，加密存着，看不到内容；等本人在这台手机上登录后接着写。</p>}
    {delivered.value.length > 0 && <section><h2>已送到</h2><ul class="tasks">{delivered.value.map((d) => <li key={d.id} class="card"><p class="tags"><strong>{d.label}</strong><Tag tone="good">已送到</Tag><span class="soft">{moment(d.at_ms)}</span></p>{d.about && <p class="soft">{d.about}</p>}</li>)}</ul></section>}
    <Replaced />
  </main>;
}
