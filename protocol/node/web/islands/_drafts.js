// What was typed outlives a reload, the back button, a session that ended, a crash and a power cut: at each pause the node keeps it, for this person
// alone (protocol/node/web/unsaved.py). The browser keeps nothing. A form whose answer was lost is sent again under the same command, so that it is
// one command. What is to be sealed is kept nowhere.
import { bringFiles, busy } from "./_files.js";
import { make } from "./_make.js";
import { headers, me } from "./_whose.js";

const PAUSE_MS = 400, FIND_TRIES = 10;
const tab = (window.name ||= `yidi-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`); // a copied tab has none
const all = (selector, root) => [...root.querySelectorAll(selector)];
const control = (form, name) => form.elements.namedItem(name)?.value ?? "";
const isKept = (form) => form?.matches?.("form[data-guard]") && Boolean(form.elements.namedItem("command_id"));
const ABOUT = ["item", "visit", "party_id"]; // where one page has several forms that are sent to one address: what this one is about there
const place = (form) => `${form.getAttribute("action")} ${ABOUT.map((name) => control(form, name)).find(Boolean) ?? ""}`;
const usual = (c) => c.options && ([...c.options].find((o) => o.defaultSelected) ?? c.options[0])?.value;
function isTouched(c) {
  if (!c.name || ["hidden", "file", "search"].includes(c.type)) return false;
  return c.type === "radio" || c.type === "checkbox" ? c.checked !== c.defaultChecked : c.value !== (c.options ? usual(c) : c.defaultValue);
}

// ── to the node, one after the other: what was saved and dropped must not be kept once more by an older request ──
let queue = Promise.resolve(), turn = 0;
const nextTurn = () => (turn = Math.max(turn + 1, Date.now()));
async function call(path, body, keepalive = false) {
  try {
    const answer = await fetch(path, { method: "POST", body: JSON.stringify(body), headers: { Accept: "application/json", ...headers }, keepalive });
    return { status: answer.status, said: await answer.json().catch(() => ({})) };
  } catch { return null; }
}
const inOrder = (path, body) => (queue = queue.then(() => call(path, body)));

// ── keeping ──
const due = new Map(); // form → timer
const held = new Set(); // what the node may have of this tab
const asDraft = (form) => ({
  form: place(form), tab, command: control(form, "command_id"), turn: nextTurn(), unsure: form.dataset.unsure !== undefined,
  fields: [
    ...[...new FormData(form)].filter(([, value]) => value.size !== 0) // an empty chooser of files
      .map(([name, value]) => (value.name ? ["unsent", value.name] : [name, name === "upload" ? value.replace(/,"thumb.*/, "}") : value])),
    ...all("[data-wants]", form).map((row) => [row.dataset.wants, row.querySelector(".name").textContent]),
  ],
});
let tell = () => {}; // (form, state, words, to): how the page says it · to: where what was written belongs

export function keep(form, sealed = false) {
  if (!isKept(form) || !me) return;
  if (sealed || !(form.dataset.unsure !== undefined || [...form.elements].some(isTouched) || form.querySelector("[data-wants], [name=upload]"))) return drop(form);
  clearTimeout(due.get(form));
  delete form.dataset.kept;
  due.set(form, setTimeout(() => now(form), PAUSE_MS));
}
async function now(form) {
  due.delete(form);
  const draft = asDraft(form);
  held.add(draft.form);
  const answer = await inOrder("/drafts", draft);
  if (!held.has(draft.form) || due.has(form)) return;
  if (answer?.status === 200 && answer.said.kept) { form.dataset.kept = ""; return tell(form, "kept", `草稿已存本机 ${answer.said.kept}`); }
  if (answer?.said.sealed) { held.delete(draft.form); return tell(form, "failed", answer.said.sentence, answer.said.to); }
  if (answer?.status === 401) return tell(form, "expired", "登录已过期，刚写的只在这一页上。");
  if (["page_of_another", "page_of_post"].includes(answer?.said.code)) return tell(form, "expired", answer.said.sentence);
  tell(form, "failed", answer?.said.sentence ?? "草稿没有存下：本机程序没有回答。写的还在这一页上。");
}
export function drop(form) {
  if (!isKept(form)) return;
  clearTimeout(due.get(form));
  due.delete(form);
  tell(form, "none", "");
  if (held.delete(place(form))) inOrder("/drafts/drop", { form: place(form), tab });
}
/** Whether leaving now would lose something: what is not kept yet, and files that are not at the node. */
export const isAtRisk = (form) => isKept(form) && form.dataset.dirty !== undefined && (form.dataset.kept === undefined || busy(form) || [...form.elements].some((c) => c.type === "file" && c.files.length));

function flush() {
  for (const [form, timer] of due) {
    clearTimeout(timer);
    held.add(place(form));
    call("/drafts", asDraft(form), true); // the page may be gone before an answer comes
  }
  due.clear();
}
addEventListener("beforeunload", flush); // before the next page is asked for: 今天 shows it at once
addEventListener("pagehide", flush);
document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && flush());

/** Its answer never came: nobody knows whether it was saved. Until it has been sent again as it is nothing in it is changed, for that would be lost. */
export function lock(form, on) {
  if (on) form.dataset.unsure = ""; else delete form.dataset.unsure;
  for (const part of form.children) if (!part.matches("button, [data-notice], [role]") && !part.querySelector("button.main")) part.inert = on;
}

// ── giving back ──
function bring(form, draft, asItWas) {
  const left = draft.fields.reduce((m, [name, value]) => m.set(name, [...(m.get(name) ?? []), value]), new Map());
  for (let more = (left.get("party_name")?.length ?? 0) - all(".party", form).length; more > 0; more--) form.querySelector("[data-add-party]")?.click();
  for (const c of form.elements) {
    if (!c.name || c.type === "file" || c.type === "search" || (c.name === "command_id" && !asItWas)) continue;
    const values = left.get(c.name) ?? [];
    if (c.type === "radio" || c.type === "checkbox") c.checked = values.includes(c.value);
    else if (values.length) c.value = values.shift();
    if (isTouched(c)) c.closest("details.more")?.setAttribute("open", "");
  }
  bringFiles(form, draft.fields);
  const list = form.querySelector("[data-found]"), whom = left.get("cadre")?.[0];
  if (whom && list && !list.querySelector(":checked")) list.append(make("input", { type: "radio", name: "cadre", value: whom, checked: true, hidden: true })); // found before
  form.querySelector("[hx-trigger$=seek]")?.dispatchEvent(new Event("seek")); // what hangs on what came back
  form.dataset.dirty = "";
  for (let fold = form.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  if (draft.unsure) lock(form, true);
}

// A tab that is open holds a lock of its name, so a draft of another tab is taken over only when that tab is gone.
navigator.locks?.request(tab, () => new Promise(() => {}));
const living = async () => new Set((await navigator.locks?.query())?.held.map((one) => one.name) ?? []);

const asked = new WeakSet();
/** Gives the forms under root what was kept of them; notice(form, "unsure" | "back" | "saved", draft) for each. Those of whom nothing could be learnt,
 *  since the session had ended or the program was away, are asked about again by the next call. */
export async function bringBack(root, notice) {
  const forms = all("form", root).filter((form) => isKept(form) && !asked.has(form) && !form.querySelector(":scope > .saved"));
  forms.forEach((form) => asked.add(form));
  if (!me || !forms.length) return;
  const alive = await living();
  let found = null;
  for (let tries = 0; !found && tries < FIND_TRIES; tries++) {
    if (tries) await new Promise((wait) => setTimeout(wait, PAUSE_MS));
    found = await call("/drafts/find", { forms: forms.map(place) }); // no answer: the line to the program is just coming back
  }
  if (found?.status !== 200) return forms.forEach((form) => asked.delete(form));
  for (const form of forms) {
    const done = found.said.saved.find((one) => one.form === place(form) && one.tab === tab);
    if (done) notice(form, "saved", done);
    const drafts = found.said.drafts.filter((one) => one.form === place(form) && (one.tab === tab || !alive.has(one.tab)));
    const draft = drafts.find((one) => one.tab === tab) ?? drafts[0];
    if (!draft) continue;
    if (form.dataset.dirty !== undefined || form.dataset.busy !== undefined) { // somebody writes here already: it does not go in the place of what was kept
      if (draft.tab === tab && draft.command !== control(form, "command_id")) inOrder("/drafts", { ...draft, tab: `${tab} ${draft.command}` });
      continue;
    }
    const mine = draft.tab === tab, orphan = !mine && Boolean(navigator.locks);
    bring(form, draft, mine || orphan || draft.unsure);
    notice(form, draft.unsure ? "unsure" : "back", draft);
    await now(form);
    if (orphan) inOrder("/drafts/drop", { form: draft.form, tab: draft.tab });
  }
}
export const onKept = (said) => { tell = said; };
