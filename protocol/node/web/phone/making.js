// A report that is being written: its draft, and what is still being made for it (a photo is shrunk, a recording is ended). There is one for
// each visit and writer while this page is open, whichever screens come and go: who leaves it and comes back finds it as it is, and one that is
// sent waits for what is being made, so that none stays behind.
import { signal } from "@preact/signals";
import { thumbOf } from "../islands/_send.js";
import { dropFile, keep, keepFile, opened } from "./drafts.js";
import { keyOf } from "./outbox.js";
import { sheet } from "./sheet.js";
import { act } from "./state.js";

const LABELS = { photo: "照片", signature: "签名", voice: "录音" };
const blank = () => ({ result: "", words: "", strokes: [], files: [] }); // its own each time: the pad knows strokes that it has drawn
const reports = new Map();

/** A file of a draft, as its action in the outbox: from here on its id and its box stay what they are. */
export const fileOf = async (task, what, bytes, mime, name) => ({ id: crypto.randomUUID(), task, kind: "AddTaskEvidence", label: LABELS[what], at_ms: Date.now(), what, name, mime, bytes, thumb: what === "voice" ? "" : await thumbOf(new Blob([bytes], { type: mime })) });

const actionOf = (file, task) => ({ ...file, task, kind: "AddTaskEvidence", label: LABELS[file.what] });
/** The draft of a task with its files; a new one where there is none of this person. */
async function begun(task, person) {
  const { draft: was, files: lying } = await opened(task, person), files = lying.map((f) => actionOf(f, task));
  if (!was) return { task, person, ...blank(), files };
  for (const [what, some, mime] of [["photo", was.photos ?? [], "image/jpeg"], ["signature", was.signatures ?? [], "image/png"]]) // as an older shell kept it
    for (const bytes of some) { const file = await fileOf(task, what, bytes, mime, `${LABELS[what]}${files.length + 1}`); await keepFile(file, person); files.push(file); }
  const { photos, signatures, ...draft } = { ...was, files };
  return draft;
}

function make(task, person) {
  const draft = signal(null), count = signal(0), coming = signal(0), pending = new Set();
  const read = async () => {
    const { draft: was, files } = await opened(task, person);
    return was && { ...was, files: files.map((f) => draft.value.files.find((x) => x.id === f.id) ?? actionOf(f, task)) };
  };
  const all = sheet(keyOf(task, person), blank, draft, read, (how) => keep(task, person, how)).open(), { change } = all;
  const load = async () => all.begin(await begun(task, person));
  return {
    draft, // null until it was read
    count, // how many are being made
    coming, // photos of those that do not stand in the draft yet
    isSending: false,
    isOver: false, // thrown away: what is still being made is too
    ready: load(),
    keep: change,
    /** Keeps one more file; it follows its report where another tab has sent that. Throws where there is no room. False: it does not lie on the disk, or the report was thrown away. */
    async add(what, bytes, mime, name) {
      const file = await fileOf(task, what, bytes, mime, name);
      await this.ready;
      if (this.isOver) return false;
      const sent = await keepFile(file, person);
      if (sent) return act([{ ...file, of: sent }], person);
      if (what === "photo") coming.value -= 1; // together with what stands in its place
      await change({ files: [...draft.value.files.filter((f) => f.id !== file.id), file] });
      return true;
    },
    async remove(file) {
      await dropFile(file.id);
      await change({ files: draft.value.files.filter((f) => f.id !== file.id) });
    },
    whole: all.whole,
    close: all.close,
    /** Runs `job`, which says whether all of it lies on the disk. */
    work(job) {
      const one = job().catch(() => false).finally(() => { pending.delete(one); count.value = pending.size; });
      pending.add(one);
      count.value = pending.size;
      return one;
    },
    /** True when all that was being made just now lies on the disk. */
    async settled() {
      let is = true;
      while (pending.size) is = (await Promise.all(pending)).every(Boolean) && is;
      return is;
    },
  };
}

export function reportOf(task, person) {
  const key = keyOf(task, person);
  if (!reports.has(key)) reports.set(key, make(task, person));
  return reports.get(key);
}
/** It was sent or thrown away, or (isOver false) its screen is left: read anew the next time, unless something is still being made. */
export function leaveReport(task, person, isOver) {
  const key = keyOf(task, person), report = reports.get(key);
  if (!report || (!isOver && (report.count.value || report.isSending))) return;
  report.isOver = isOver;
  report.close();
  reports.delete(key);
}
