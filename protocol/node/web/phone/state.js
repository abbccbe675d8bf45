// What the screens share: what the server said last, what lies on the phone, and the one loop that talks to the server.
// What may be done in which status comes from the server as data (`flow`), so that the rules stay in one place.
import { batch, computed, signal } from "@preact/signals";
import { again, begin, db, drop, isUnsent, kept, marked, note, noted, PROGRESS, put, received, replay, SENT, together } from "./outbox.js";
import { forget, halfWritten } from "./drafts.js";
import { announce, changeOf, known, looks } from "./news.js";
import { withdraw } from "./push.js";

const NOISE_MS = 2_000; // beside half the way there and back, what two clocks may differ by and still be taken for one
const NEAR_MS = 4_000, FAR_MS = 20_000, HIDDEN_MS = 60_000; // how often to look: while something is under way, else, in the background
const FULL = "手机存满了，新收到的存不下；已经存好的都在。请清出空间。";
const DELIVERED_MAX = 40; // the last ones, for the page of what was sent
export const tasks = signal([]), outbox = signal([]), me = signal(null), flow = signal({ steps: {}, moves: {}, names: {}, results: [] });
export const notice = signal(""), open = signal(""), door = signal(""), place = signal(null) /* {task, words, isLooking, given}: the position he gives with an arrival */, cleared = signal("");
export const away = signal(""); // why his node has no visits for him at all, in words
export const signed = signal("unknown"); // in, out, or not asked yet
export const isOffline = signal(false); // as the browser has it
export const heard = signal(0); // when the server last answered
export const ahead = signal(0); // how far this phone's clock was ahead of its node's then, in ms
/** By the clock of the node: what is due, late or today is asked of it, however wrong this phone's clock is. */
export const now = () => Date.now() - ahead.value;
export const delivered = signal([]); // {id, label, about, at_ms}: what a second node has, the newest first
export const seen = signal(null); // task → what of it the cadre has looked at

export const mine = computed(() => outbox.value.filter((a) => a.person === me.value?.person));
export const left = computed(() => mine.value.filter((a) => isUnsent(a) && !a.refused).length);
export const share = signal(null); // {id, share} of the file that is being sent just now
new BroadcastChannel(PROGRESS).onmessage = ({ data }) => { share.value = data.share < 1 ? data : null; if (!data.id) show(signed.value); };
const begun = signal([]); // {task, person, what}: all that is half written
const isMine = (d) => d.person === me.value?.person;
export const drafts = computed(() => begun.value.filter((d) => !d.what)), halves = computed(() => drafts.value.filter(isMine)); // reports
export const sayings = computed(() => begun.value.filter((d) => d.what)), unsaid = computed(() => sayings.value.filter(isMine)); // what is said beside them
export const lookAtDrafts = async () => { begun.value = await halfWritten(); };
/** What lies here and nowhere else, in words; "" when nothing does. */
export const lies = (steps, reports, said) => [steps && `${steps} 条没有发出`, reports && `${reports} 份反馈没写完`, said && `${said} 处留言没写完`].filter(Boolean).join("、");
export const foreign = computed(() => outbox.value.filter((a) => isUnsent(a) && a.person !== me.value?.person).length);
const after = (status, kind) => flow.value.moves[kind]?.[status] ?? status;
// Nothing is typed twice, and the screen moves before the network is asked.
export const shown = computed(() => tasks.value.map((task) => {
  const waits = mine.value.filter((a) => a.task === task.id && isUnsent(a));
  return { ...task, news: changeOf(seen.value?.[task.id], task), waits, status: waits.filter((a) => !a.refused).reduce((status, a) => after(status, a.kind), task.status) };
}));

// ── with the server ──
let busy = false, wanted = false, timer = 0, isFull = false;
export async function refresh() {
  wanted = true;
  if (busy) return;
  busy = true;
  clearTimeout(timer);
  try { while (wanted) { wanted = false; await once(); } isFull = false; } catch { if (!isFull) notice.value = FULL; isFull = true; } finally { busy = false; plan(); }
}
const plan = () => { timer = setTimeout(refresh, document.hidden ? HIDDEN_MS : mine.value.length ? NEAR_MS : FAR_MS); };

export const ask = (path, more) => fetch(path, { headers: { Accept: "application/json" }, ...more }).catch(() => null);
async function once() {
  const store = await db;
  if (await store.get("state", "leaving") && !await leave()) return show("out");
  if (signed.value === "in" || await ask("/task/mine").then((r) => r?.ok && r.json()).then((said) => said && said.me)) await replay().catch(() => 0);
  const { store: name, n } = await marked(), asker = (await store.get("state", "me"))?.person ?? "";
  const all = (await kept()).filter((a) => a.state === SENT), sent = all.filter((a) => a.person === asker).slice(0, 100); // of another one's the node says nothing to him
  const asked_ms = Date.now(), r = await ask(`/task/mine?kept=${sent.map((a) => a.id).join(",")}&store=${name}&n=${n}`);
  if (!r?.ok) return show(signed.value);
  const said = await r.json();
  if (!said.me) { await store.put("state", true, "over").catch(() => 0); return show("out"); }
  if ((await kept()).some((a) => a.state === SENT && !all.some((x) => x.id === a.id))) { wanted = true; return show("in"); } // the worker sent more meanwhile: this answer is older
  cleared.value = said.cleared_at ?? "";
  const before = me.value?.person === said.me.person ? tasks.value : null;
  const half = (Date.now() - asked_ms) / 2, off = Math.round(asked_ms + half - said.now_ms), is = Math.abs(off) < half + NOISE_MS ? 0 : off;
  if (!await received(said, asker, is)) { wanted = true; return; }
  await settle(sent.filter((a) => a.person === said.me.person), said.marks, said.tasks);
  away.value = said.away ?? "";
  await forget(said.me.person, said.tasks, said.more || Boolean(said.away));
  const looked = await noted("seen") ?? {};
  if (said.tasks.some((t) => !(t.id in looked))) await note("seen", known(looked, said.tasks));
  await show("in");
  announce(before, said.tasks, shown.value.filter((t) => t.news).length);
}
/** What was last known of the session: it is over, and he does not come from signing in just now. Without a signal nobody can be asked. */
export async function lastKnown() {
  const [how] = performance.getEntriesByType("navigation"), store = await db;
  if (how?.type === "navigate" && document.referrer && new URL(document.referrer).pathname === "/sign-in") await store.delete("state", "over");
  return await store.get("state", "over") ? "out" : "unknown";
}
/** What a second node has is forgotten here; what the first one lost is sent again. */
async function settle(sent, marks, theirs) {
  const safe = sent.filter((a) => marks[a.id]?.safe), about = (a) => theirs.find((t) => t.id === a.task)?.purpose ?? "";
  if (safe.length) await note("delivered", [...safe.reverse().map((a) => ({ id: a.id, label: a.label ?? "", about: about(a), at_ms: now() })), ...await noted("delivered") ?? []].slice(0, DELIVERED_MAX));
  await drop(safe.map((a) => a.id));
  for (const a of sent) if (marks[a.id] && !marks[a.id].here) await again(a);
}
export async function show(session) {
  const store = await db, states = ["me", "flow", "heard", "ahead"].map((name) => store.get("state", name));
  const [{ tasks: all, actions }, done, looked, half, who, rules, at, off] = await Promise.all([together(), noted("delivered"), noted("seen"), halfWritten(), ...states]);
  batch(() => {
    tasks.value = all.sort((a, b) => a.rank - b.rank); outbox.value = actions; delivered.value = done ?? []; seen.value = looked ?? {};
    begun.value = half; me.value = who ?? null; heard.value = at ?? 0; ahead.value = off ?? 0; signed.value = session;
    if (rules) flow.value = rules;
  });
}
/** Keeps actions and moves the screen on. person, draft, said: see put. */
export async function act(actions, person, draft = "", said = null) {
  notice.value = "";
  try { await put(actions, person, draft, said); } catch { notice.value = "手机存不下，这一步没有保存，写的还在。请清出空间（照片、视频、不用的应用）再试。"; return false; }
  await show(signed.value);
  navigator.serviceWorker?.ready.then((r) => r.sync?.register("outbox")).catch(() => {}); // Chromium only; the rest is sent below
  refresh();
  return true;
}
/** The cadre has it before his eyes: it is no news any more. */
export async function saw(task) {
  seen.value = { ...seen.value, [task.id]: looks(task) };
  await note("seen", Object.fromEntries(Object.entries(seen.value).filter(([id]) => tasks.value.some((t) => t.id === id)))).catch(() => 0);
  navigator.clearAppBadge?.().catch?.(() => 0);
}
/** Ends the session that was promised to end, and no other one that has begun since: true. Without a signal the promise stays, and is kept first thing when there is one. */
async function leave() {
  await withdraw();
  const store = await db, session = await store.get("state", "leaving"), r = await ask("/sign-out", { method: "POST", body: new URLSearchParams(typeof session === "string" ? { session } : {}) });
  const left = r && r.status < 500;
  if (left) await store.delete("state", "leaving");
  return left;
}
export async function signOut() {
  const rest = lies(left.value, halves.value.length, unsaid.value.length);
  if (rest && !confirm(`还有 ${rest}。退出后仍留在这台手机里，只有您自己再登录才看得到，接着办。现在退出吗？`)) return;
  const tx = await begin(["tasks", "state"], "readwrite");
  tx.objectStore("tasks").clear();
  for (const name of ["me", "delivered", "seen"]) tx.objectStore("state").delete(name);
  tx.objectStore("state").put(me.value.session ?? true, "leaving"); // from here on no answer brings him back
  tx.objectStore("state").put(true, "over");
  await tx.done;
  await leave();
  open.value = "";
  await show("out");
}
export const go = (id) => { notice.value = ""; door.value = ""; place.value = null; history.pushState(null, "", id ? `#${id}` : "/task"); open.value = id; scrollTo(0, 0); };
