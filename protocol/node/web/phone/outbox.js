// What the cadre did, kept until it is safe. Shared by the page and the service worker.
//
// Promise: an action is on the phone's disk before the screen says so; actions leave in the order of a stored counter, text before any
// file (a file on its way stops for it), one sender at a time over all tabs and the worker; each has an id made here, so sending twice is doing once; it stays after
// it was sent until a second node has it, and is sent again when the first one lost it. A refusal is kept and shown, and
// what follows a refused step on the same task waits, but for a visit that was made: it is told though his yes came too late. Only its owner's session sends it. A photo goes in pieces and on from where it was
// cut, also when the page was killed meanwhile; it is let go of when a second node has all its bytes.
import { openDB } from "idb";
import { call, digest, sendPieces } from "../islands/_send.js";
import { withRoom } from "./reserve.js";
import { forgetKey, sealed, unsealed } from "./seal.js";

export const WAITING = "waiting", SENT = "sent";
export const PROGRESS = "yidi-progress"; // {id, share}: how far a photo has got; {}: an item is in another state. For whoever has the page open
const told = new BroadcastChannel(PROGRESS);
/** {key, gone}: a record of `drafts` is another one now, or was sent or thrown away. For the other tabs: what posts here hears nothing of it. */
export const rewritten = new BroadcastChannel("yidi-rewritten");
let going = null; // {id, stop, gaveWay}: the file that is being sent from here
const over = new BroadcastChannel("yidi-given-up"); // {id}: for whoever sends it just now, page or worker; "": whichever it is, to go on after text
const cut = (id) => { if (going && (!id || going.id === id)) { going.gaveWay = !id; going.stop.abort(); } };
const GAVE_WAY = { status: 0, said: {} }, NO_ROOM = [429, 507];
over.onmessage = ({ data }) => cut(data.id);

const opened = () => openDB("yidi-task", 1, {
  upgrade(d) {
    d.createObjectStore("outbox", { keyPath: "id" });
    d.createObjectStore("tasks", { keyPath: "id" });
    d.createObjectStore("drafts", { keyPath: "task" }); // see drafts.js
    d.createObjectStore("state"); // counter, store, me, flow, leaving, over, key, heard, ahead, delivered, seen, asked, reserve-text, reserve-files
  },
  terminated() { forgetKey(); db = opened(); }, // the browser cleared it under us: what is on the screen can be kept anew
});
export let db = opened();
/** A transaction. When the browser clears the store under it, whoever waits for one of its requests hears of it; its end alone is nobody's news. */
export async function begin(stores, mode) {
  const tx = (await db).transaction(stores, mode);
  tx.done.catch(() => 0);
  return tx;
}

// What stands open in a record: enough to order, count and name it. All else (words, pictures, position) is in its box.
const OPEN = ["id", "n", "person", "state", "refused", "code", "task", "kind", "label", "of", "handed", "held", "ahead_ms"];
const openOf = (action) => Object.fromEntries(Object.entries(action).filter(([name]) => OPEN.includes(name)));
export const restOf = (action) => Object.fromEntries(Object.entries(action).filter(([name]) => !OPEN.includes(name)));
const boxed = async (action) => ({ ...openOf(action), ...await sealed(db, action.id, restOf(action)) });
export const unboxed = async ({ iv, box, ...open }) => (box ? { ...open, ...await unsealed(db, open.id, { iv, box }) } : open); // an older shell's stand open

/** Records that an older shell left open are sealed. */
export async function sealOld() {
  for (const old of (await kept()).filter((a) => !a.box)) {
    const now = await boxed(old), tx = await begin("outbox", "readwrite"), there = await tx.store.get(old.id);
    if (there && !there.box) await tx.store.put({ ...now, state: there.state, refused: there.refused });
    await tx.done;
  }
}

/** A draft's record: of a visit and its writer. Its files name it as `of`. */
export const keyOf = (task, person) => `${task}/${person}`;
/** A sealed value in `state`. */
export const note = (name, value) => withRoom(db, async () => (await db).put("state", await sealed(db, name, value), name));
/** What the server said, in place of what it said before. False: whoever asked (`person`, "" for nobody yet) has signed out meanwhile, so nothing is kept.
 * ahead: how far this phone's clock is before the node's, in ms. */
export async function received({ tasks, me, flow, now_ms }, person, ahead) {
  const boxes = await Promise.all(tasks.map(async (task) => ({ id: task.id, ...await sealed(db, task.id, task) })));
  return withRoom(db, async () => {
    const tx = await begin(["tasks", "state"], "readwrite"), there = tx.objectStore("tasks"), state = tx.objectStore("state");
    const before = await state.get("me");
    if ((before?.person ?? "") !== person || await state.get("leaving")) { await tx.done; return false; }
    if (before && before.person !== me.person) for (const name of ["delivered", "seen"]) state.delete(name); // another one's, whose session ended by itself
    state.delete("over");
    await Promise.all([there.clear(), ...boxes.map((box) => there.put(box)), state.put(me, "me"), state.put(flow, "flow"), state.put(now_ms, "heard"), state.put(ahead, "ahead"), tx.done]);
    return true;
  });
}
export const noted = async (name) => (await db).get("state", name).then((box) => (box ? unsealed(db, name, box) : null)).catch(() => null);
export const read = async (record) => (record?.box ? unsealed(db, record.task ?? record.id, record).catch(() => null) : record ?? null);

export const ONCE = ["ConfirmTask", "ArriveTask"]; // they hold nothing that a second tap, in another tab, would add

/** Runs `job` while no other tab keeps actions, or a file for a report that may just be sent. */
export const counting = (job) => navigator.locks.request("yidi-counter", job);
/** What another tab added to a draft since its report was put together: it follows the report. */
async function addedSince(own, actions) {
  const report = actions.find((x) => !x.of), some = own.filter((d) => d.of && !actions.some((x) => x.id === d.task));
  const files = await Promise.all(some.map(async (d) => ({ ...await read(d), id: d.task })));
  return files.filter((f) => f.bytes).map(({ id, name }) => ({ id, task: report.task, kind: "AddTaskEvidence", label: name, of: report.id }));
}
/** Keeps actions, all or none, numbered in the order given. An action: {task, kind, at_ms, …} or a file {id, task, of, what, name, mime, bytes, at_ms}.
 * person: whose screen it was, also when he has signed out meanwhile or the store was cleared under it · draft: the task whose draft of this person they end, in the same moment; its files lie on the disk already, sealed to the same ids, and are only moved.
 * said: what is then left of the words beside the report (drafts.js), in the same moment too. */
export const put = (actions, person, draft = "", said = null) => counting(async () => {
  const store = await db, there = (await store.getAll("outbox")).filter((a) => a.person === person), isThere = (x) => there.some((a) => a.id === x.id || (ONCE.includes(x.kind) && a.task === x.task && a.kind === x.kind && !a.refused));
  actions = actions.filter((x) => !isThere(x));
  const ended = keyOf(draft, person), own = draft ? (await store.getAll("drafts")).filter((d) => d.task === ended || d.of === ended) : [], lying = new Map(own.map((d) => [d.task, d]));
  actions = [...actions, ...await addedSince(own, actions)];
  const ahead_ms = await store.get("state", "ahead"); // when it was made: by the time it is sent somebody may have put the clock right
  let n = (await store.get("state", "counter")) ?? 0; // the lock keeps the others out while the boxes are made
  const records = await Promise.all(actions.map(async (action) => {
    const now = { id: crypto.randomUUID(), ...action, ahead_ms, n: ++n, person, state: WAITING }, box = lying.get(now.id);
    return box?.box ? { ...openOf(now), iv: box.iv, box: box.box } : boxed(now);
  }));
  const isAsRead = await withRoom(db, async () => {
    const tx = await begin(["outbox", "state", "drafts"], "readwrite");
    const isAsRead = said && String((await tx.objectStore("drafts").get(said.key))?.iv ?? "") === said.was; // else another tab wrote just now: rather called unsent than lost
    const gone = own.map(({ task }) => tx.objectStore("drafts").delete(task)), there = records.map((record) => tx.objectStore("outbox").put(record));
    if (isAsRead) there.push(said.record ? tx.objectStore("drafts").put(said.record) : tx.objectStore("drafts").delete(said.key));
    await Promise.all([...gone, ...there, tx.objectStore("state").put(n, "counter"), tx.done]);
    return isAsRead;
  });
  if (draft) rewritten.postMessage({ key: ended, gone: true });
  if (isAsRead) rewritten.postMessage({ key: said.key, gone: !said.record });
  if (records.some((r) => !r.of)) { cut(""); over.postMessage({ id: "" }); }
  told.postMessage({}); // the other tabs show it too, and offer no step twice
});

/** What this store is called and how far it has counted: by these the node notices that the browser cleared it, unsent actions and all. */
export async function marked() {
  const tx = await begin("state", "readwrite");
  let store = await tx.store.get("store");
  if (!store) await tx.store.put(store = crypto.randomUUID(), "store");
  const n = await tx.store.get("counter") ?? 0;
  await tx.done;
  return { store, n };
}

/** Visits and actions as they lie there at one moment. */
export async function together() {
  const tx = await begin(["tasks", "outbox"]), both = [tx.objectStore("tasks").getAll(), tx.objectStore("outbox").getAll()];
  const [tasks, actions] = await Promise.all(both);
  return { tasks: (await Promise.all(tasks.map(read))).filter(Boolean), actions: actions.sort((a, b) => a.n - b.n) };
}
export const kept = async () => (await (await db).getAll("outbox")).sort((a, b) => a.n - b.n);
export const isUnsent = (a) => a.state === WAITING;

/** A file that waits, or is on its way, is not sent any more: true. False: its node may have it meanwhile (or has), which he did not know.
 * isKnown: he knows. The record decides: whoever sends it looks there before each step, and once more, in one transaction, before it is handed over. */
export async function giveUp(id, isKnown) {
  const tx = await begin("outbox", "readwrite"), now = await tx.store.get(id), may = now?.state === WAITING && Boolean(isKnown || !now.handed);
  if (may) tx.store.delete(id);
  await tx.done;
  if (may) { cut(id); over.postMessage({ id }); }
  told.postMessage({});
  return may;
}

/** Forgets actions: what a second node has, or a refused step that the cadre gives up together with its files. */
export async function drop(ids) {
  const tx = await begin("outbox", "readwrite");
  for (const id of ids) await tx.store.delete(id);
  await tx.done;
}

const change = (action, more) => withRoom(db, async () => {
  const tx = await begin("outbox", "readwrite"), now = await tx.store.get(action.id);
  await Promise.all([now && tx.store.put({ ...now, ...more }), tx.done]);
  return Boolean(now);
});
const isKept = async (id) => Boolean(await (await db).getKey("outbox", id));
/** It was taken, and the visit is now as the answer says: both at once, so that no screen shows it without its last step. */
async function done(action, task) {
  const box = task && { id: task.id, ...await sealed(db, task.id, task) };
  await withRoom(db, async () => {
    const tx = await begin(["outbox", "tasks", "state"], "readwrite"), now = await tx.objectStore("outbox").get(action.id), me = await tx.objectStore("state").get("me");
    await Promise.all([now && tx.objectStore("outbox").put({ ...now, state: SENT, refused: null, code: null, held: null }), box && me?.person === action.person && tx.objectStore("tasks").put(box), tx.done]);
  });
}
export const again = (action) => change(action, { state: WAITING, refused: null, code: null, handed: false, held: null });

function formOf(action) {
  const { n, person, state, refused, code, handed, held, ahead_ms, bytes, of, label, what, name, mime, thumb, ...command } = action, form = new FormData();
  form.set("person", person);
  form.set("sent_ms", String(Date.now())); // the server sees by it how far this clock is off now
  if (ahead_ms !== undefined) form.set("ahead_ms", String(ahead_ms)); // and by this how far it was when the action was made
  form.set("command", JSON.stringify(command));
  return form;
}

async function post(record) {
  const action = await unboxed(record).catch(() => null);
  if (!action) return { status: 422, said: { sentence: "这一步在手机里读不出来了，请重新做一次。" } };
  if (!action.bytes) return call("/task/commands", "POST", formOf(action));
  const mine = (going = { id: action.id, stop: new AbortController(), gaveWay: false });
  const { bytes, name, mime, what, thumb, task, person, id } = action, about = { sum: await digest(bytes), size: bytes.byteLength, name, mime };
  const sent = await sendPieces({ ...about, task, person }, bytes, (share) => told.postMessage({ id, share }), mine.stop.signal).finally(() => { going = null; });
  if (sent?.status !== 200) { told.postMessage({}); return mine.gaveWay ? GAVE_WAY : sent; } // it is on its way no more
  if (!await change(record, { handed: true })) return null; // given up before it was handed over
  const form = formOf(action);
  form.set("upload", JSON.stringify({ ...about, what, thumb }));
  const answer = await call("/task/files", "POST", form);
  return answer?.status === 404 && answer.said.code === "upload_unknown" ? null : answer; // it lost the pieces: they are sent anew
}

const MADE = ["ArriveTask", "ReportTask"]; // protocol/task.py takes both from whoever goes, whatever became of his yes
/** Claims that one of `all` is a refused step that holds up `a`. A refused file holds up nothing; his refused yes neither the arrival nor the report and its files. */
export const isHeldUp = (a, all) => all.some((x) => x.refused && !x.of && x.task === a.task && !(x.kind === "ConfirmTask" && (a.of || MADE.includes(a.kind))));
/** What of this person waits, in its order: nothing that a refused step holds up. */
async function dueOf(person) {
  const all = (await kept()).filter((a) => a.person === person);
  return all.filter((a) => isUnsent(a) && !a.refused && !isHeldUp(a, all));
}
/** They wait until there is room: why is kept with each, once. */
async function hold(some, { sentence = "", code = "" }, full) {
  for (const a of some) {
    full.add(a.id);
    if (a.held == null || a.code !== code) await change(a, { held: sentence, code });
  }
}
/** Sends what waits: text in its order, then files in theirs; one for which the node has no room now waits alone. Returns how many still wait. */
export const replay = () => navigator.locks.request("yidi-outbox", async () => {
  const me = await (await db).get("state", "me"), full = new Set();
  for (;;) {
    const due = me ? await dueOf(me.person) : [], action = due.find((a) => !a.of) ?? due.find((a) => !full.has(a.id));
    if (!action) return due.length;
    const answer = await post(action), isFull = NO_ROOM.includes(answer?.status);
    if (answer === GAVE_WAY) continue;
    if (!answer && !await isKept(action.id)) { told.postMessage({}); continue; } // given up
    if (isFull) {
      await hold(due.filter((a) => a.id === action.id || (action.of && a.of && answer.status === 507)), answer.said, full); // too many halves: the others go on
      told.postMessage({});
      if (action.of) continue;
    }
    if (!answer || answer.status >= 500 || [401, 408, 429].includes(answer.status)) return due.length; // later; the order must hold
    if (answer.status < 300) {
      await done(action, answer.said.task);
    } else {
      await change(action, { refused: answer.said.sentence ?? answer.said.detail ?? `没有收下（${answer.status}）。`, code: answer.said.code ?? "", held: null });
    }
    told.postMessage({});
  }
});
