// A form on its way to the node: after a second its button says so, after ten one may stop waiting and is told what then holds.
// However often it is pressed it is sent once. Nothing of it is disabled: the browser reads it only after this, and what was typed stays. Meanwhile
// nothing of it can be changed: what came too late to be sent would be gone with the saved form. The cursor stays where it is.
import { make } from "./_make.js";

export const SAID_MS = 1_000, STOP_MS = 10_000;
const going = new Map(); // form → {button, before, box, timers, leaves: the browser itself sends it}
const submits = (form) => form.querySelector("button.main") ?? form.querySelector("button:not([type=button], [type=reset])");

function hold(form, on) {
  for (const field of form.elements) {
    if (on && field.readOnly === false) { field.readOnly = true; field.dataset.held = ""; }
    else if (!on && field.dataset.held !== undefined) { field.readOnly = false; delete field.dataset.held; }
  }
}
const FIXED = "select, input:is([type=radio], [type=checkbox], [type=file]), button:is([type=button], [type=reset])"; // what readOnly does not hold
for (const kind of ["keydown", "mousedown", "click"]) addEventListener(kind, (e) => {
  const field = e.target.closest?.(FIXED);
  if (going.has(field?.form) && !field.closest("[data-saving]") && e.key !== "Tab") e.preventDefault(), e.stopImmediatePropagation();
}, true);

function over(form) {
  const one = going.get(form);
  if (!one) return;
  going.delete(form);
  hold(form, false);
  one.timers.forEach(clearTimeout);
  one.box.remove();
  if (!one.button?.hasAttribute("aria-busy")) return;
  one.button.replaceChildren(...one.before);
  one.button.removeAttribute("aria-busy");
}

export const isGoing = (form) => going.has(form);

/** Somebody was asked whether to leave the page, and stays: what the browser was to send was not sent. */
export const stayed = () => going.forEach(({ leaves }, form) => leaves && over(form));

function begin(form, button, stop, leaves = false) {
  over(form);
  const words = make("span", { textContent: form.elements.namedItem("command_id") ? "正在保存…" : "正在办…" }), box = make("p", { className: "hidden" });
  box.dataset.saving = "";
  box.setAttribute("role", "status");
  const one = { button, before: [...(button?.childNodes ?? [])], box, timers: [], leaves };
  going.set(form, one);
  hold(form, true);
  one.timers.push(setTimeout(() => {
    form.append(box);
    box.append(words);
    button?.setAttribute("aria-busy", "true");
    button?.replaceChildren(words.textContent);
  }, SAID_MS), setTimeout(() => {
    words.textContent = "还没有回答。可以接着等；不等了，写的也还在这一页上。";
    box.className = "note";
    box.append(" ", make("button", { type: "button", className: "plain", textContent: "不等了", onclick: () => { over(form); stop(); } }));
  }, STOP_MS));
}

/** unsure(form): somebody stopped waiting, or the answer to a form without a guard never came. */
export function watch(unsure) {
  addEventListener("submit", (e) => {
    if (!going.has(e.target)) return;
    e.preventDefault();
    e.stopImmediatePropagation();
  }, true);
  addEventListener("submit", (e) => {
    const form = e.target;
    if (e.defaultPrevented || form.getAttribute("method") !== "post") return;
    begin(form, e.submitter ?? submits(form), () => { window.stop(); unsure(form); }, true);
  });
  addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    const form = ctx.sourceElement;
    if (form?.matches?.("form[hx-post], form[hx-get]")) begin(form, submits(form), () => { ctx.request.abort(); unsure(form); });
  });
  for (const name of ["htmx:after:request", "htmx:finally:request"]) addEventListener(name, ({ detail: { ctx } }) => over(ctx?.sourceElement));
  addEventListener("htmx:error", ({ detail: { ctx } }) => { if (ctx?.sourceElement?.matches?.("form:not([data-guard])") && !ctx.response) unsure(ctx.sourceElement); });
  addEventListener("pageshow", () => [...going.keys()].forEach(over));
}
