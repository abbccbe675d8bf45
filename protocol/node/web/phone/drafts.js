// Reports that are half written, each of one visit and one writer, sealed like all else. They outlast a sign-out and are shown to their writer
// alone; they end when they are sent, when he throws them away, or when his node says that the visit is over or not his any more.
// Words and files are kept apart: text finds room where a photo does not, and typing seals no pictures anew. Which files there are is known by
// the files alone, so that two tabs that write on the same report lose none. What is being said beside the
// report, a question or why he cannot go, is a record of its own (its key ends in SAID) and lasts as long as the visit is on his list.
import { begin, counting, db, kept, keyOf, read, restOf } from "./outbox.js";
import { isTextSafe, TEXT_ROOM, withRoom } from "./reserve.js";
import { sealed } from "./seal.js";

const SAID = "said";
/** [{task, person, what}]: who has half written what, SAID or a report (undefined). By the keys alone: no picture is read for it. */
export const halfWritten = async () => (await (await db).getAllKeys("drafts")).filter((key) => key.includes("/")).map((key) => { const [task, person, what] = key.split("/"); return { task, person, what }; });

const isBlank = (d) => !d.result && !d.words && !d.strokes.length;
const filesOf = async (key) => (await (await db).getAll("drafts")).filter((d) => d.of === key);
/** The words of a draft; one without words and files is none. */
export async function keep({ files, ...draft }) {
  const key = keyOf(draft.task, draft.person);
  if (isBlank(draft) && !(await filesOf(key)).length) return (await db).delete("drafts", key);
  return withRoom(db, async () => (await db).put("drafts", { task: key, ...await sealed(db, key, draft) }));
}
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

const saidKey = (task, person) => `${keyOf(task, person)}/${SAID}`;
/** {reason, told}: why he cannot go, and what he asks; "" where nothing was typed. */
export const saidOf = async (task, person) => ({ reason: "", told: "", ...await read(await (await db).get("drafts", saidKey(task, person))) });
/** {key, record}: how what is said is to lie there; record: null where nothing is left of it. */
export async function saidRecord(task, person, said) {
  const key = saidKey(task, person);
  return { key, record: said.reason || said.told ? { task: key, ...await sealed(db, key, said) } : null };
}
export async function keepSaid(task, person, said) {
  const { key, record } = await saidRecord(task, person, said);
  return record ? withRoom(db, async () => (await db).put("drafts", record)) : (await db).delete("drafts", key);
}

/** Deletes every record of which `isGone(task, person, what)`; person: undefined where an older shell kept it and nobody could claim it. */
async function clear(isGone) {
  const tx = await begin("drafts", "readwrite");
  for (const d of await tx.store.getAll()) if (isGone(...(d.of ?? d.task).split("/"))) tx.store.delete(d.task);
  await tx.done;
}
export const discard = (task, person, what) => clear((id, whose, which) => id === task && whose === person && which === what);

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
