// Reports that are half written, each of one visit and one writer, sealed like all else. They outlast a sign-out and are shown to their writer
// alone; they end when they are sent, when he throws them away, or when his node says that the visit is over or not his any more.
// A record is never overwritten by what one tab remembers of it: only the fields that were changed there are put into what lies there (sheet.js).
// Words and files are kept apart: text finds room where a photo does not, and typing seals no pictures anew. Which files there are is known by
// the files alone, so that two tabs that write on the same report lose none. What is being said beside the
// report, a question or why he cannot go, is a record of its own (its key ends in SAID) and lasts as long as the visit is on his list.
import { begin, counting, db, kept, keyOf, read, restOf, rewritten } from "./outbox.js";
import { isTextSafe, TEXT_ROOM, withRoom } from "./reserve.js";
import { sealed } from "./seal.js";

const SAID = "said";
/** [{task, person, what}]: who has half written what, SAID or a report (undefined). By the keys alone: no picture is read for it. */
export const halfWritten = async () => (await (await db).getAllKeys("drafts")).filter((key) => key.includes("/")).map((key) => { const [task, person, what] = key.split("/"); return { task, person, what }; });

/** Which text of a record it is; "" of none. Each is sealed with an iv of its own. */
export const textOf = (record) => (record ? String(record.iv) : "");

/** Puts what `make` makes of the fields that lie there (null: none) in their place; null: no record. Sealing takes longer than a transaction lasts, so
 * where another tab was faster it is made anew, of what that one wrote. */
async function rewrite(key, make) {
  for (;;) {
    const there = await (await db).get("drafts", key), now = await make(await read(there)), record = now && { task: key, ...await sealed(db, key, now) };
    const isLaid = await withRoom(db, async () => {
      const tx = await begin("drafts", "readwrite"), is = textOf(await tx.store.get(key)) === textOf(there);
      await Promise.all([is && (record ? tx.store.put(record) : tx.store.delete(key)), tx.done]);
      return is;
    });
    if (isLaid) return rewritten.postMessage({ key, gone: !record });
  }
}

const isBlank = (d) => !d.result && !d.words && !d.strokes.length;
const filesOf = async (key) => (await (await db).getAll("drafts")).filter((d) => d.of === key);
/** The words of a draft, as `make` makes them of those that lie there; one without words and files is none. */
export const keep = (task, person, make) => {
  const key = keyOf(task, person);
  return rewrite(key, async (there) => { const now = make(there); return isBlank(now) && !(await filesOf(key)).length ? null : now; });
};
/** A file of a draft, as its action in the outbox will hold it: "". Not kept where its report was sent meanwhile, by another tab: the id of that report.
 * Throws where it would take the room of text. */
export const keepFile = ({ id, task, ...more }, person) => counting(async () => {
  const sent = (await kept()).find((a) => a.kind === "ReportTask" && a.task === task && a.person === person);
  if (sent) return sent.id;
  if (!await isTextSafe(db)) throw new Error("no room for files");
  const record = { task: id, of: keyOf(task, person), ...await sealed(db, id, restOf(more)) };
  await withRoom(db, async () => { // looked at in the same moment: what is given up for text just now is not for a file
    const tx = await begin(["drafts", "state"], "readwrite");
    if (!await tx.objectStore("state").getKey(TEXT_ROOM)) { tx.abort(); throw new Error("no room for files"); }
    await Promise.all([tx.objectStore("drafts").put(record), tx.done]);
  }, false);
  return "";
});
export const dropFile = async (id) => (await db).delete("drafts", id);

/** {draft, files}: the words (null where there are none of this person) and [{id, what, name, mime, bytes, thumb, …}] in their order. */
export async function opened(task, person) {
  const key = keyOf(task, person), draft = await read(await (await db).get("drafts", key));
  const files = await Promise.all((await filesOf(key)).map(async (d) => ({ ...await read(d), id: d.task })));
  return { draft, files: files.filter((f) => f.bytes).sort((a, b) => a.at_ms - b.at_ms) };
}

export const saidKey = (task, person) => `${keyOf(task, person)}/${SAID}`;
/** {reason, told}: why he cannot go, and what he asks, as they lie there; null where nothing was typed. */
export const saidOf = async (task, person) => read(await (await db).get("drafts", saidKey(task, person)));
const saidOrNone = (said) => (said.reason || said.told ? said : null);
export const keepSaid = (task, person, make) => rewrite(saidKey(task, person), (there) => saidOrNone(make(there)));
/** {key, was, record}: how what is said is to lie there, in place of `was`; record: null where nothing is left of it. */
export async function saidRecord(task, person, make) {
  const key = saidKey(task, person), there = await (await db).get("drafts", key), said = saidOrNone(make(await read(there)));
  return { key, was: textOf(there), record: said && { task: key, ...await sealed(db, key, said) } };
}

/** Deletes every record of which `isGone(task, person, what)`; person: undefined where an older shell kept it and nobody could claim it. */
async function clear(isGone) {
  const tx = await begin("drafts", "readwrite");
  for (const d of await tx.store.getAll()) if (isGone(...(d.of ?? d.task).split("/"))) tx.store.delete(d.task);
  await tx.done;
}
export async function discard(task, person, what) {
  await clear((id, whose, which) => id === task && whose === person && which === what);
  rewritten.postMessage({ key: what ? saidKey(task, person) : keyOf(task, person), gone: true });
}

let swept = ""; // whose files without words were looked for since the page is open
/** What this person need not finish any more, by what his node says: tasks, all of his unless isCut. */
export async function forget(person, tasks, isCut) {
  const known = new Map(tasks.map((t) => [t.id, t.open || t.status === "recalled"])), isHis = (id, what) => (what ? known.has(id) || isCut : known.get(id) ?? isCut); // a visit that was made is told though it was recalled
  if (swept === person && (await halfWritten()).every((d) => d.person !== person || isHis(d.task, d.what))) return;
  await clear((id, whose, what) => (whose ? whose === person && !isHis(id, what) : known.get(id) === false));
  swept = person;
}

/** What an older shell kept under the visit alone is, from here on, its writer's. */
export async function claimOld() {
  const all = await (await db).getAll("drafts");
  for (const old of all.filter((d) => !d.of && !d.task.includes("/"))) {
    const draft = await read(old), key = draft?.person && keyOf(old.task, draft.person);
    if (!key || all.some((d) => d.task === key)) continue;
    const now = { task: key, ...await sealed(db, key, draft) }, files = all.filter((d) => draft.files?.includes(d.task));
    await withRoom(db, async () => {
      const tx = await begin("drafts", "readwrite");
      await Promise.all([tx.store.delete(old.task), tx.store.put(now), ...files.map((f) => tx.store.put({ ...f, of: key })), tx.done]);
    });
  }
}
