// Fields that are typed on a screen and lie in one record, which another tab may write as well.
//
// Promise: what was typed here stands on the screen at once and on the disk in its turn; nothing else of the record is touched by it, and what
// another tab wrote comes to this screen. Where both changed one text before either saw the other's, both texts are kept, one below the other.
// What the disk refused, for want of room, counts as typed here until it lies there. What another tab sent or threw away leaves this screen too, but
// for what was typed here since. A record that is gone and nobody says why is written anew from the screen: the browser may have cleared it.
import { rewritten } from "./outbox.js";
import { writer } from "./writing.js";

const TEXTS = ["words", "reason", "told"];
const open = new Set();
const look = (key, isGone) => { for (const one of open) if (!key || one.key === key) one.look(isGone); };
rewritten.onmessage = ({ data }) => look(data.key, data.gone);
document.addEventListener("visibilitychange", () => document.hidden || look("", false)); // a tab that slept heard of nothing

/** What lies on the disk of it; the rest of what a screen shows is not in its record. */
const fieldsOf = ({ files, photos, signatures, ...fields }) => fields;
const both = (theirs, mine) => (theirs.includes(mine) ? theirs : mine.includes(theirs) ? mine : `${theirs}\n${mine}`);

/** blank(): the fields of one in which nothing is written · shown: a signal of what stands on the screen, null until it was read · read(): what lies there, null where nothing does · lay(make): see drafts.js. */
export function sheet(key, blank, shown, read, lay) {
  const write = writer();
  let mine = {}, stood = {}, looks = false, gone = false; // what was changed here and does not lie there yet; what lay there when this page last looked; whether it is to look again; whether it was told since that the record was taken away
  const isTheirs = (there, name) => TEXTS.includes(name) && there?.[name] && there[name] !== stood[name];
  const over = (there) => ({ ...shown.value, ...there, ...Object.fromEntries(Object.entries(mine).map(([name, value]) => [name, isTheirs(there, name) ? both(there[name], value) : value])) });
  const show = (there) => {
    const now = over(there);
    for (const [name, was] of Object.entries(shown.value)) if (JSON.stringify(was) === JSON.stringify(now[name])) now[name] = was; // nothing is drawn anew for it
    mine = Object.fromEntries(Object.keys(mine).map((name) => [name, now[name]]));
    stood = fieldsOf(there);
    shown.value = now;
  };
  const settle = async () => {
    const some = mine;
    let was = null, now = null;
    if (!Object.keys(some).length) return;
    await lay((there) => { was = there && fieldsOf(there); now = fieldsOf(over(was)); return now; });
    mine = Object.fromEntries(Object.entries(mine).filter(([name, value]) => value !== some[name]));
    const isNews = was && JSON.stringify(was) !== JSON.stringify(stood);
    stood = now;
    if (isNews) show(now);
  };
  const one = {
    key,
    /** First of all: what stands on the screen. */
    begin(now) { shown.value = now; stood = fieldsOf(now); },
    change(more) { mine = { ...mine, ...more }; shown.value = { ...shown.value, ...more }; return write(settle); },
    /** All of it, as it lies there: with what another tab wrote, and with what the disk did not take. */
    async whole() { await write(settle); return over(await read()); },
    /** However often the other tab writes: one look waits at most. */
    look(isGone) {
      gone ||= isGone;
      if (looks) return;
      looks = true;
      write(async () => {
        const instead = gone ? blank() : null;
        looks = gone = false;
        const there = shown.value && await read().then((is) => is ?? instead, () => null);
        if (there) show(there);
      });
    },
    open() { open.add(one); return one; },
    close() { open.delete(one); },
  };
  return one;
}
