// What was typed outlives a reload, the back button, a link clicked too early and a session that ended: this tab keeps it until it is saved.
//
// Kept in sessionStorage, so only in this tab and for this person: it goes with the tab, with signing out, and when somebody else signs in.
// The command id is kept too, so a form whose answer was lost is still one command after a reload. In a copied tab it gets an id of
// its own, unless its first may have been saved. A sealed report is never kept.
const KEY = "yidi-drafts", me = document.body.dataset.person ?? "";
const tab = (window.name ||= `yidi-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`); // a copied tab has none
const all = (selector, root) => [...root.querySelectorAll(selector)];

function stored() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    if (kept && (!me || kept.person === me)) return kept; // signed out by time: whoever comes back finds it
  } catch { /* not ours, or no room */ }
  return { person: me, of: {} };
}
function store(kept) { try { sessionStorage.setItem(KEY, JSON.stringify(kept)); } catch { /* no room: the page still asks before it is left */ } }

const isKept = (form) => form?.matches?.("form[data-guard][hx-post]");
const place = (form) => `${location.pathname} ${form.getAttribute("action")} ${form.elements.item?.value ?? ""}`;
const usual = (c) => c.options && ([...c.options].find((o) => o.defaultSelected) ?? c.options[0])?.value;
function isTouched(c) {
  if (!c.name || c.type === "hidden" || c.type === "file") return false;
  return c.type === "radio" || c.type === "checkbox" ? c.checked !== c.defaultChecked : c.value !== (c.options ? usual(c) : c.defaultValue);
}

export function keep(form, sealed = false) {
  if (!isKept(form)) return;
  const kept = stored(), unsure = form.dataset.unsure !== undefined;
  if (sealed || !(unsure || [...form.elements].some(isTouched))) return drop(form);
  kept.of[place(form)] = { tab, unsure, fields: [...new FormData(form)].filter(([, value]) => typeof value === "string") };
  store(kept);
}
export function drop(form) {
  const kept = stored();
  if (!isKept(form) || !(place(form) in kept.of)) return;
  delete kept.of[place(form)];
  store(kept);
}
export const dropAll = () => sessionStorage.removeItem(KEY);

/** Its answer never came: nobody knows whether it was saved. Until it has been sent again as it is nothing in it is changed, for that would be lost. */
export function lock(form, on) {
  if (on) form.dataset.unsure = ""; else delete form.dataset.unsure;
  for (const part of form.children) if (!part.matches("button, [data-notice], [role]")) part.inert = on;
}

function bring(form, draft) {
  const left = Map.groupBy ? Map.groupBy(draft.fields, ([name]) => name) : draft.fields.reduce((m, f) => m.set(f[0], [...(m.get(f[0]) ?? []), f]), new Map());
  for (let more = (left.get("party_name")?.length ?? 0) - all(".party", form).length; more > 0; more--) form.querySelector("[data-add-party]")?.click();
  for (const c of form.elements) {
    if (!c.name || c.type === "file") continue;
    if (c.name === "command_id" && draft.tab !== tab && !draft.unsure) continue;
    const values = left.get(c.name) ?? [];
    if (c.type === "radio" || c.type === "checkbox") c.checked = values.some(([, value]) => value === c.value);
    else if (values.length) c.value = values.shift()[1];
    if (isTouched(c)) c.closest("details.more")?.setAttribute("open", "");
  }
  form.dataset.dirty = "";
  form.closest("details")?.setAttribute("open", "");
  if (draft.unsure) lock(form, true);
}

/** Brings back what this page's forms had; tell(form, unsure) for each. */
export function bringBack(tell) {
  const kept = stored();
  if (me) store(kept); // what another one left is gone
  for (const form of all("form", document).filter(isKept)) {
    const draft = me && kept.of[place(form)];
    if (draft) { bring(form, draft); tell(form, draft.unsure); }
  }
}
