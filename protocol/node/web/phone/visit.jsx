// One visit: where, whom, until when, what was asked for, and the one next step at the thumb.
import { useEffect, useRef } from "preact/hooks";
import { signal, useSignal } from "@preact/signals";
import { allowed, Ask } from "./asking.jsx";
import { keepSaid, saidKey, saidOf, saidRecord } from "./drafts.js";
import { act, door, flow, go, me, mine, notice, place } from "./state.js";
import { Due, Main, Offline, Sent, Status, Tag, useStill } from "./parts.jsx";
import { Refused } from "./queue.jsx";
import { Report } from "./report.jsx";
import { Room } from "./room.jsx";
import { sheet } from "./sheet.js";
import { copied } from "../islands/_copy.js";
import { isHeldUp } from "./outbox.js";
import { mapOf } from "./today.js";

const Marks = ({ marks }) => <span class="marks">{marks.map((m) => <span key={m.text} class={`mark ${m.reached ? "done" : ""}`}>{m.text}</span>)}</span>;
const Fact = ({ label, children }) => children ? <><dt>{label}</dt><dd>{children}</dd></> : null;
const Person = ({ p }) => <li><span>{p.name}{p.side && <span class="soft">（{p.side}）</span>}</span>{p.phone ? <a class="button" href={`tel:${p.phone}`}>拨打 {p.phone}</a> : <span class="soft">没有留电话</span>}</li>;

const copying = signal(""); // what came of it, in words
function Where({ t }) {
  const where = t.where || `${t.place}${t.address}`;
  const copy = async () => { copying.value = ""; copying.value = await copied(where) ? "地址已复制，到地图里粘贴搜索。" : `复制不了，请照着输入：${where}`; };
  return <>{t.place}{t.address && <><br />{t.address}</>}<span class="two"><a class="button" href={mapOf(where)}>打开地图</a><button onClick={copy}>复制地址</button></span>
    <span class="soft" role="status">{copying.value}</span></>;
}

const History = ({ t }) => <section class="card"><h2>进展</h2><ol class="steps">
  {t.history.map((h) => <li key={h.key}><strong>{h.words}</strong> <span class="soft">{h.at}</span>{h.text && <p>{h.text}</p>}</li>)}
  {t.waits.filter((a) => !a.refused).map((a) => <li key={a.id}><strong>{a.label}</strong> <Tag tone="soon">{isHeldUp(a, mine.value) ? "存在手机 · 等前面被退回的一步" : "存在手机，待发送"}</Tag></li>)}</ol>
  {!t.waits.length && <Marks marks={t.marks} />}</section>;

const unsaid = () => ({ reason: "", told: "" });
/** What he says beside the report, as it lies on the phone: [{reason, told}, null until it was read; what keeps a change of it; what hands in one of
 * the two: the action is there and the words are gone in one moment, so that neither is said twice nor called unsent]. */
function useSaid(task, person) {
  const said = useSignal(null), own = useRef(null);
  const all = (own.current ??= sheet(saidKey(task, person), unsaid, said, () => saidOf(task, person), (make) => keepSaid(task, person, make))), keep = all.change;
  useEffect(() => { saidOf(task, person).then((was) => all.open().begin({ ...unsaid(), ...was })); return all.close; }, []);
  const hand = async (name, action) => {
    const was = await all.whole(), left = await saidRecord(task, person, (there) => ({ ...was, ...there, [name]: "" }));
    said.value = { ...was, [name]: "" };
    const isKept = await act([{ ...action, task, at_ms: Date.now() }], person, "", left);
    if (!isKept) said.value = was;
    return isKept;
  };
  return [said.value, keep, hand];
}

function Decline({ step, isOpen, reason, keep, hand }) {
  const field = useRef(), sending = useRef(false);
  const send = async () => {
    if (sending.current) return;
    const text = field.current.value.trim();
    if (!text) { notice.value = "请写一句去不了的原因。"; return field.current.focus(); }
    sending.current = true;
    if (await hand("reason", { kind: step.kind, label: step.label, reason: text.slice(0, 100) })) go("");
    sending.current = false;
  };
  return !isOpen ? <button class="plain" onClick={() => { door.value = "decline"; }}>{step.label}…</button>
    : <section class="card"><label for="reason">去不了的原因</label><textarea id="reason" ref={field} rows="2" maxlength="100" value={reason} onInput={(e) => keep({ reason: e.target.value })} />
      <div class="two"><button onClick={send}>{step.label}</button><button class="plain" onClick={() => { keep({ reason: "" }); door.value = ""; }}>不了，我去</button></div></section>;
}
/** He began to say no, and meanwhile the visit has gone on or was taken back. */
const Overtaken = ({ reason, keep }) => <section class="card"><h2>去不了的原因</h2><p class="calm">{reason}</p><p class="soft">现在用不上了，没有发出。</p><div class="two"><button onClick={() => keep({ reason: "" })}>不要了</button></div></section>;

/** A question or a word to the office that sent him; the visit stays as it is. */
function Tell({ t, said, keep, hand }) {
  const field = useRef(), sending = useRef(false), isOpen = said && (door.value === "tell" || said.told);
  const send = async () => {
    const words = field.current.value.trim();
    if (sending.current) return;
    if (!words) { notice.value = "请写要问什么。"; return field.current.focus(); }
    sending.current = true;
    if (await hand("told", { kind: "TellTask", label: "留言", text: words.slice(0, 200) })) door.value = "";
    sending.current = false;
  };
  return <section class="card"><h2>和派单单位的留言</h2>
    {t.told?.length > 0 && <ol class="steps">{t.told.map((x) => <li key={x.key}><strong>{x.mine ? "我" : x.office || t.assigned_by}</strong> <span class="soft">{x.at}</span><p>{x.text}</p></li>)}</ol>}
    {isOpen ? <><label for="told">要问什么、要说明什么</label><textarea id="told" ref={field} rows="3" maxlength="200" value={said.told} onInput={(e) => keep({ told: e.target.value })} />
      <div class="two"><button onClick={send}>留言</button><button class="plain" onClick={() => { keep({ told: "" }); door.value = ""; }}>不写了</button></div></>
      : said && t.open && <button onClick={() => { door.value = "tell"; }}>问派单的人…</button>}</section>;
}

/** The position leaves the phone only when the cadre taps for it, and only with the visit at which he did. */
function Position({ t }) {
  const has = place.value?.task === t.id ? place.value : null;
  const find = () => {
    const asked = (place.value = { task: t.id, isLooking: true, words: "正在定位…" }), settle = (found) => { if (place.value === asked) place.value = { task: t.id, ...found }; }; // else he has gone on or does not want it any more
    const got = ({ coords: c }) => settle({ words: `已附上位置，误差约 ${Math.round(c.accuracy)} 米`, given: { latitude: c.latitude, longitude: c.longitude, accuracy_m: c.accuracy } });
    navigator.geolocation.getCurrentPosition(got, () => settle({ words: "没有定到位。可以不带位置。" }), { enableHighAccuracy: true, timeout: 20_000 });
  };
  return <section class="card"><h2>位置（可以不给）</h2><p class="soft" role="status">{has?.words ?? "只在您点了以后才取一次，随到场记录上报。"}</p>
    {has?.isLooking || has?.given ? <button onClick={() => { place.value = null; }}>不附位置</button> : <button onClick={find}>附上我的位置</button>}</section>;
}

/** A visit that was made counts though the recall crossed it; whoever did not go is asked for nothing. */
const Recalled = ({ t }) => <section class="card"><p><strong>这项任务撤回了，不用去了。</strong></p>
  {t.status === "recalled" && door.value !== "report" && <button class="plain" onClick={() => { door.value = "report"; }}>已经去过了，要写反馈…</button>}</section>;

export function Visit({ t }) {
  const steps = flow.value.steps[t.status] ?? [], no = steps.find((s) => s.kind === "DeclineTask"), step = steps.find((s) => s !== no && s.main);
  const refused = t.waits.filter((a) => a.refused), may = (kind) => !isHeldUp({ kind, task: t.id }, refused), over = !flow.value.steps[t.status], late = t.status === "recalled" && door.value === "report";
  const reports = step?.kind === "ReportTask" ? step : late ? { kind: "ReportTask", label: "提交反馈" } : null;
  const [said, keep, hand] = useSaid(t.id, me.value.person), isDeclining = no && said && (door.value === "decline" || Boolean(said.reason));
  const still = useStill(refused.map((a) => a.id).join());
  const send = () => {
    const has = step.kind === "ArriveTask" && place.value?.task === t.id ? place.value : null;
    if (has?.isLooking && !confirm("还在定位，位置还没有附上。不等了，不带位置就报到场吗？")) return;
    act([{ kind: step.kind, label: step.label, task: t.id, at_ms: Date.now(), ...has?.given }], me.value.person).then((ok) => { if (ok) { place.value = null; scrollTo(0, 0); } });
  };
  return <main class="phone" id="main" ref={still}>
    <p><a class="back" href="#">‹ 我的任务</a></p>
    <h1>{t.purpose}</h1><p class="tags"><Status t={t} /><Due t={t} /></p><Sent /><Offline /><Room />
    {refused.map((a) => <Refused key={a.id} a={a} />)}
    {t.status === "recalled" && <Recalled t={t} />}
    {t.urges.map((u) => <p key={u.at} class="note"><strong>催办</strong> {u.text} <span>{u.at}</span></p>)}
    {reports && may(reports.kind) && <Report t={t} person={me.value.person} results={flow.value.results} step={reports} />}
    {over && <History t={t} />}
    <section class="card"><dl class="told"><Fact label="去哪里"><Where t={t} /></Fact><Fact label="何时前">{t.due_at}</Fact><Fact label="带什么">{t.bring}</Fact>
      <Fact label="情况">{t.summary}</Fact><Fact label="谁派的">{t.assigned_by}</Fact><Fact label="案件编码">{t.code}</Fact></dl></section>
    {t.contacts.length > 0 && <section class="card"><h2>找谁</h2><ul class="people">{t.contacts.map((p) => <Person key={p.name} p={p} />)}</ul></section>}
    {step?.kind === "ArriveTask" && <Position t={t} />}
    {step?.kind === "ArriveTask" && allowed.value === "ask" && <Ask />}
    {!over && <History t={t} />}
    {flow.value.moves.TellTask && (t.open || t.told?.length > 0 || said?.told) && <Tell t={t} said={said} keep={keep} hand={hand} />}
    {said && no && may(no.kind) && <Decline step={no} isOpen={isDeclining} reason={said.reason} keep={keep} hand={hand} />}
    {said?.reason && !no && <Overtaken reason={said.reason} keep={keep} />}
    {step && step.kind !== "ReportTask" && may(step.kind) && !isDeclining && <Main step={step} onClick={send} />}
  </main>;
}
