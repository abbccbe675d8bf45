// The cadre's page: what the server said + what still waits on the phone. One task a screen, one main button at the thumb.
// What may be done in which status comes from the server as data (`flow`), so that the rules stay in one place.
import { render } from "preact";
import { useRef } from "preact/hooks";
import { batch, computed, signal } from "@preact/signals";
import { again, db, drop, isUnsent, kept, marked, PROGRESS, put, read, replay, sealOld, SENT } from "./outbox.js";
import { sealed } from "./seal.js";
import { forget, Report } from "./report.jsx";
import "./phone.css";

const SOON_MS = 86_400_000, NEAR_MS = 4_000, FAR_MS = 20_000; // how often to look while something is under way, else
const tasks = signal([]), outbox = signal([]), me = signal(null), flow = signal({ steps: {}, moves: {}, names: {}, results: [] });
const notice = signal(""), open = signal(""), door = signal(""), place = signal(null), signed = signal("unknown"), shelf = signal(""), cleared = signal("");

const mine = computed(() => outbox.value.filter((a) => a.person === me.value?.person));
const left = computed(() => mine.value.filter((a) => isUnsent(a) && !a.refused).length);
const share = signal(null); // of the photo that is being sent just now
new BroadcastChannel(PROGRESS).onmessage = ({ data }) => { share.value = data.share < 1 ? data : null; };
const foreign = computed(() => outbox.value.filter((a) => isUnsent(a) && a.person !== me.value?.person).length);
const after = (status, kind) => flow.value.moves[kind]?.[status] ?? status;
// Nothing is typed twice, and the screen moves before the network is asked.
const shown = computed(() => tasks.value.map((task) => {
  const waits = mine.value.filter((a) => a.task === task.id && isUnsent(a));
  return { ...task, waits, status: waits.filter((a) => !a.refused).reduce((status, a) => after(status, a.kind), task.status) };
}));

// ── with the server ──
let busy = false, wanted = false, timer = 0;
async function refresh() {
  wanted = true;
  if (busy) return;
  busy = true;
  clearTimeout(timer);
  try { while (wanted) { wanted = false; await once(); } } finally { busy = false; plan(); }
}
const plan = () => { if (!document.hidden) timer = setTimeout(refresh, mine.value.length ? NEAR_MS : FAR_MS); };

const ask = (path, more) => fetch(path, { headers: { Accept: "application/json" }, ...more }).catch(() => null);
async function once() {
  const store = await db;
  if (await store.get("state", "leaving") && !await leave()) return show("out");
  if (signed.value === "in" || await ask("/task/mine").then((r) => r?.ok && r.json()).then((said) => said && said.me)) await replay().catch(() => 0);
  const sent = (await kept()).filter((a) => a.state === SENT).slice(0, 100);
  const { store: name, n } = await marked();
  const r = await ask(`/task/mine?kept=${sent.map((a) => a.id).join(",")}&store=${name}&n=${n}`);
  if (!r?.ok) return show(signed.value);
  const said = await r.json();
  if (!said.me) return show("out");
  cleared.value = said.cleared_at ?? "";
  const boxes = await Promise.all(said.tasks.map(async (task) => ({ id: task.id, ...await sealed(db, task.id, task) })));
  const tx = store.transaction(["tasks", "state"], "readwrite");
  tx.objectStore("tasks").clear();
  for (const box of boxes) tx.objectStore("tasks").put(box);
  tx.objectStore("state").put(said.me, "me");
  tx.objectStore("state").put(said.flow, "flow");
  await tx.done;
  await settle(sent.filter((a) => a.person === said.me.person), said.marks);
  await show("in");
}
/** What a second node has is forgotten here; what the first one lost is sent again. */
async function settle(sent, marks) {
  await drop(sent.filter((a) => marks[a.id]?.safe).map((a) => a.id));
  for (const a of sent) if (marks[a.id] && !marks[a.id].here) await again(a);
}
async function show(session) {
  const store = await db, [all, waiting, who, rules] = await Promise.all([store.getAll("tasks").then((some) => Promise.all(some.map(read))).then((some) => some.filter(Boolean)), kept(), store.get("state", "me"), store.get("state", "flow")]);
  batch(() => { tasks.value = all.sort((a, b) => a.rank - b.rank); outbox.value = waiting; me.value = who ?? null; if (rules) flow.value = rules; signed.value = session; });
}
async function act(actions) {
  notice.value = "";
  try { await put(actions); } catch { notice.value = "手机存不下，这一步没有保存。请清出空间再试。"; return false; }
  outbox.value = await kept();
  navigator.serviceWorker?.ready.then((r) => r.sync?.register("outbox")).catch(() => {}); // Chromium only; the rest is sent below
  refresh();
  return true;
}
/** Ends the session at the server: true. Without a signal it is promised, and done first thing when there is one. */
async function leave() {
  const r = await ask("/sign-out", { method: "POST" }), store = await db, left = r && r.status < 500;
  if (left) await store.delete("state", "leaving"); else await store.put("state", true, "leaving");
  return left;
}
async function signOut() {
  if (left.value && !confirm(`还有 ${left.value} 条没有发出。退出后仍留在手机里，下次登录接着发。现在退出吗？`)) return;
  const tx = (await db).transaction(["tasks", "drafts", "state"], "readwrite");
  tx.objectStore("tasks").clear(); tx.objectStore("drafts").clear(); tx.objectStore("state").delete("me");
  await tx.done;
  await leave();
  open.value = "";
  await show("out");
}

// ── pieces ──
const go = (id) => { notice.value = ""; door.value = ""; place.value = null; history.pushState(null, "", id ? `#${id}` : "/task"); open.value = id; scrollTo(0, 0); };
const Tag = ({ tone, children }) => <span class={`tag ${tone ?? ""}`}>{children}</span>;
const Due = ({ t }) => {
  if (!t.due_ms || ["reported", "declined", "recalled"].includes(t.status)) return null;
  const rest = t.due_ms - Date.now();
  return rest < 0 ? <Tag tone="late">已超期</Tag> : rest < SOON_MS ? <Tag tone="soon">24 小时内到期</Tag> : null;
};
const Status = ({ t }) => <>
  <Tag tone={t.status === "reported" ? "good" : "act"}>{flow.value.names[t.status] ?? t.status}</Tag>
  {t.waits.some((a) => !a.refused) && <Tag tone="soon">存在手机，待发送</Tag>}</>;
const Marks = ({ marks }) => <span class="marks">{marks.map((m) => <span key={m.text} class={`mark ${m.reached ? "done" : ""}`}>{m.text}</span>)}</span>;

const Refused = ({ a }) => <div class="problem" role="alert">
  <p><strong>“{a.label ?? "这一步"}”没有办成：{a.refused}</strong></p><p>写的内容还在手机里，后面的步骤先不发。</p>
  <div class="two"><button onClick={async () => { await again(a); refresh(); }}>再发一次</button>
    <button onClick={async () => { await drop(outbox.value.filter((x) => x.id === a.id || x.of === a.id).map((x) => x.id)); refresh(); }}>不要这一步了</button></div>
</div>;

const STATES = () => !me.value && signed.value === "out" ? "还没有登录" : left.value ? `${left.value} 条待发送，${share.value && mine.value.some((a) => a.id === share.value.id && isUnsent(a)) ? `照片已传 ${Math.floor(share.value.share * 100)}%` : "有信号时自动发出"}` : mine.value.some((a) => !a.refused) ? "已送达，正等另一台机器也存好" : "全部已送达";
const Sent = () => <p class="state" role="status">{notice.value || STATES()}</p>;

const Card = ({ t }) => <li><a class="card" href={`#${t.id}`} onClick={(e) => { e.preventDefault(); go(t.id); }}>
  <span class="tags"><Status t={t} /><Due t={t} /></span><strong>{t.purpose}</strong><span>{t.place}</span>{t.due_at && <span class="soft">{t.due_at}前</span>}</a></li>;

function List() {
  const doing = shown.value.filter((t) => t.open || t.waits.length), done = shown.value.filter((t) => !t.open && !t.waits.length);
  return <main class="phone" id="main"><h1>我的任务</h1><Sent />
    {signed.value === "out" && <section class="card"><p>请登录后收任务。{left.value + foreign.value > 0 && <strong>手机里还有 {left.value + foreign.value} 条没有发出，登录后接着发。</strong>}</p>
      <p><a class="button main" href="/sign-in?next=/task">登录</a></p></section>}
    {signed.value !== "out" && foreign.value > 0 && <p class="note">手机里还有别人没有发出的 {foreign.value} 条，等本人登录后发出。</p>}
    {cleared.value && <section class="problem" role="alert"><p><strong>这台手机里存的内容被清掉过（{cleared.value}发现）。</strong>那时还没有发出的步骤、照片没有了，已经发出的都在。请看看每项任务的“进展”，缺的补做一次；派单的人也看得到这条提醒。</p>
      <button onClick={async () => { if ((await ask("/task/cleared", { method: "POST" }))?.ok) cleared.value = ""; }}>知道了</button></section>}
    {shelf.value && <p class="note">{shelf.value}</p>}
    <ul class="tasks">{doing.map((t) => <Card key={t.id} t={t} />)}</ul>
    {me.value && !doing.length && <p class="empty">现在没有要办的任务。派给您的任务会出现在这里。</p>}
    {done.length > 0 && <><h2>办过的</h2><ul class="tasks">{done.map((t) => <Card key={t.id} t={t} />)}</ul></>}
    {me.value && <p class="owner">{me.value.name}　{me.value.office}<button class="plain" onClick={signOut}>退出登录</button></p>}
  </main>;
}

const Fact = ({ label, children }) => children ? <><dt>{label}</dt><dd>{children}</dd></> : null;
const Person = ({ p }) => <li><span>{p.name}{p.side && <span class="soft">（{p.side}）</span>}</span>{p.phone && <a class="button" href={`tel:${p.phone}`}>拨打 {p.phone}</a>}</li>;
const Where = ({ t }) => <>{t.place}{t.address && <><br />{t.address}</>}<br /><a class="button" href={`geo:0,0?q=${encodeURIComponent(`${t.place}${t.address}`)}`}>导航</a></>;

const History = ({ t }) => <section class="card"><h2>进展</h2><ol class="steps">
  {t.history.map((h) => <li key={h.key}><strong>{h.words}</strong> <span class="soft">{h.at}</span>{h.text && <p>{h.text}</p>}</li>)}
  {t.waits.filter((a) => !a.refused).map((a) => <li key={a.id}><strong>{a.label}</strong> <Tag tone="soon">存在手机，待发送</Tag></li>)}</ol>
  <Marks marks={t.marks} /></section>;

function Decline({ t, step }) {
  const reason = useRef();
  const send = async () => {
    const text = reason.current.value.trim();
    if (!text) { notice.value = "请写一句去不了的原因。"; return reason.current.focus(); }
    if (await act([{ kind: step.kind, label: step.label, task: t.id, at_ms: Date.now(), reason: text.slice(0, 100) }])) go("");
  };
  return door.value !== "decline" ? <button class="plain" onClick={() => { door.value = "decline"; }}>{step.label}…</button>
    : <section class="card"><label for="reason">去不了的原因</label><textarea id="reason" ref={reason} rows="2" maxlength="100" />
      <div class="two"><button onClick={send}>{step.label}</button><button class="plain" onClick={() => { door.value = ""; }}>不了，我去</button></div></section>;
}

/** The position leaves the phone only when the cadre taps for it. */
function Position() {
  const find = () => {
    place.value = { words: "正在定位…" };
    const got = ({ coords: c }) => { place.value = { words: `已附上位置，误差约 ${Math.round(c.accuracy)} 米`, latitude: c.latitude, longitude: c.longitude, accuracy_m: c.accuracy }; };
    navigator.geolocation.getCurrentPosition(got, () => { place.value = { words: "没有定到位。可以不带位置。" }; }, { enableHighAccuracy: true, timeout: 20_000 });
  };
  return <section class="card"><h2>位置（可以不给）</h2><p class="soft" role="status">{place.value?.words ?? "只在您点了以后才取一次，随到场记录上报。"}</p>
    {place.value?.latitude === undefined ? <button onClick={find}>附上我的位置</button> : <button onClick={() => { place.value = null; }}>不附位置</button>}</section>;
}

const Main = ({ step, onClick }) => <div class="foot"><button class="main" onClick={onClick}>{step.label}</button></div>;

function Task({ t }) {
  const steps = flow.value.steps[t.status] ?? [], no = steps.find((s) => s.kind === "DeclineTask"), step = steps.find((s) => s !== no && s.main);
  const blocked = t.waits.filter((a) => a.refused), over = !flow.value.steps[t.status];
  const send = () => {
    const { words, ...position } = step.kind === "ArriveTask" && place.value ? place.value : {};
    act([{ kind: step.kind, label: step.label, task: t.id, at_ms: Date.now(), ...position }]).then((ok) => { if (ok) { place.value = null; scrollTo(0, 0); } });
  };
  return <main class="phone" id="main">
    <p><a class="back" href="/task" onClick={(e) => { e.preventDefault(); go(""); }}>‹ 我的任务</a></p>
    <h1>{t.purpose}</h1><p class="tags"><Status t={t} /><Due t={t} /></p><Sent />
    {blocked.map((a) => <Refused key={a.id} a={a} />)}
    {t.urges.map((u) => <p key={u.at} class="note"><strong>催办</strong> {u.text} <span>{u.at}</span></p>)}
    {step?.kind === "ReportTask" && !blocked.length && <Report t={t} person={me.value.person} results={flow.value.results} step={step} notice={notice} act={act} />}
    {over && <History t={t} />}
    <section class="card"><dl class="told"><Fact label="去哪里"><Where t={t} /></Fact><Fact label="何时前">{t.due_at}</Fact><Fact label="带什么">{t.bring}</Fact>
      <Fact label="情况">{t.summary}</Fact><Fact label="谁派的">{t.assigned_by}</Fact><Fact label="案件编码">{t.code}</Fact></dl></section>
    {t.contacts.length > 0 && <section class="card"><h2>找谁</h2><ul class="people">{t.contacts.map((p) => <Person key={p.name} p={p} />)}</ul></section>}
    {step?.kind === "ArriveTask" && <Position />}
    {!over && <History t={t} />}
    {no && !blocked.length && <Decline t={t} step={no} />}
    {step && step.kind !== "ReportTask" && !blocked.length && door.value !== "decline" && <Main step={step} onClick={send} />}
  </main>;
}

const App = () => {
  const t = shown.value.find((x) => x.id === open.value);
  return t ? <Task key={t.id} t={t} /> : <List />;
};

const look = () => { open.value = location.hash.slice(1); };
/** Why nothing can be kept here, in words; "" when all is well. The worker, locks, ids, camera and position exist only over HTTPS. */
async function hindrance() {
  if (!isSecureContext || !navigator.locks) return "请用 https 开头的地址打开，并换用较新的浏览器，否则没有信号时存不下您做的事。";
  return db.then(() => "", () => "这个浏览器不让存东西（可能开了无痕模式），没有信号时会丢。请换普通模式再打开。");
}
const why = await hindrance();
if (why) { render(<main class="phone" id="main"><h1>我的任务</h1><p class="problem" role="alert">{why}</p></main>, document.getElementById("app")); throw new Error(why); }
look();
addEventListener("popstate", () => { look(); notice.value = ""; door.value = ""; });
await sealOld().catch(() => 0);
await show("unknown");
await forget(tasks.value.filter((t) => !t.open).map((t) => t.id));
render(<App />, document.getElementById("app"));
refresh();
addEventListener("online", refresh);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
navigator.serviceWorker?.register("/task/sw.js", { scope: "/task" /* wider than its folder: the server says Service-Worker-Allowed */ });
// Ask the browser not to clear the queue when the disk is short. Safari clears what was not opened for 7 days unless it is on the home screen.
navigator.storage?.persist?.().then((is) => { if (!is && /iP(hone|ad)/.test(navigator.userAgent) && !navigator.standalone) shelf.value = "请用“分享 → 添加到主屏幕”装到桌面，否则 7 天不打开，手机会清掉还没发出的内容。"; });
