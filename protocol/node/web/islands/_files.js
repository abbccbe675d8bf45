// Files chosen in a form go to the node at once, in pieces, with progress and a way to give up; the form then only names them.
// A cut line is waited out and gone on from; without JavaScript or https the form sends the files itself, as before.
import { make } from "./_make.js";
import { call, canSend, digest, sendPieces, thumbOf } from "./_send.js";
import { headers } from "./_whose.js";

const AGAIN_MS = 2_000, MEGABYTE = 1_048_576;
const rest = (ms) => new Promise((done) => { setTimeout(done, ms); });
const LEFT = { unsent: "没有传完，请再选一次。", lost: "本机已经没有了，请再选一次。" }; // why one of a draft is asked for again
export const busy = (form) => form.querySelector("[data-sending]");

const listOf = (input) => input.form.querySelector(`[data-sent="${input.id}"]`);
const TAKEN = ":is([data-sending], :has([name=upload]))"; // a row whose file is there, or on its way
const address = ({ sum, size }) => `/uploads/${sum}?size=${size}`;

/** A file of the form: its name, what becomes of it, a button to be rid of it: then also of what the node has (`of`), where no other row names that. stop: what is done then. */
function rowOf(input, name, stop) {
  const words = make("span", { className: "soft" }), drop = make("button", { type: "button", className: "plain", textContent: "去掉" }), row = make("li", {}, make("span", { className: "name", textContent: name }), words, drop);
  const gone = () => {
    const { of } = row.dataset, others = [...document.querySelectorAll(`[data-of="${of}"]${TAKEN}`)].filter((one) => one !== row);
    stop?.();
    if (of && !others.length) call(of, "DELETE");
  };
  drop.addEventListener("click", () => { row.remove(); gone(); settle(input); });
  row.addEventListener("thrown", gone);
  listOf(input).append(row);
  return { row, words };
}
const wrong = (words, said) => Object.assign(words, { className: "wrong", textContent: said });
/** The node does not have it (any more): it is asked for again, by name. */
function wanted({ row, words }, why) {
  row.querySelector("[name=upload]")?.remove();
  delete row.dataset.of;
  row.dataset.wants = why;
  wrong(words, LEFT[why]);
}
function named({ row, words }, about) { // its picture is the last of it: _drafts.js cuts it off
  row.querySelector("[name=upload]")?.remove();
  row.dataset.of = address(about);
  row.append(make("input", { type: "hidden", name: "upload", value: JSON.stringify(about) }));
  if (about.thumb) row.prepend(make("img", { alt: "", src: `data:image/jpeg;base64,${about.thumb}` }));
  words.textContent = "已传到本机";
}

/** fits: false for what is more than one form takes; it is named, and not sent. */
async function send(input, file, fits) {
  const stop = new AbortController(), bar = make("progress", { value: 0 });
  const one = rowOf(input, file.name, () => stop.abort()), { row, words } = one;
  bar.setAttribute("aria-label", `${file.name} 已传`);
  words.before(bar);
  words.textContent = "正在算校验…";
  row.dataset.sending = "";
  row.dataset.wants = "unsent";
  const refuse = (said, again) => { delete row.dataset.sending; if (!again) delete row.dataset.wants; bar.remove(); wrong(words, said).setAttribute("role", "alert"); if (input.form.dataset.after !== undefined) notSaved(input.form); settle(input); };
  if (!fits) return refuse(`一次最多 ${input.dataset.most} 个文件，这个没有传。先保存，再加其余的。`);
  const bytes = await file.arrayBuffer().catch(() => null);
  if (!bytes || !bytes.byteLength) return refuse("这个文件读不出来，或者是空的。");
  const about = { sum: await digest(bytes), size: file.size, name: file.name.slice(-200), mime: file.type }, of = address(about);
  if (listOf(input).querySelector(`[data-of="${of}"]${TAKEN}`)) return refuse("这个文件已经选过了，没有再传。");
  row.dataset.of = of;
  const asked = { ...about, ...(input.dataset.case ? { case: input.dataset.case } : {}) };
  const shown = (share) => { bar.value = share; words.textContent = `已传 ${Math.floor(share * 100)}%，共 ${(file.size / MEGABYTE).toFixed(1)} 兆`; };
  let answer;
  while (!stop.signal.aborted) {
    answer = await sendPieces(asked, bytes, shown, stop.signal);
    if (answer && (answer.status === 507 || (answer.status < 500 && (![408, 429].includes(answer.status) || answer.said?.code === "upload_too_many")))) break;
    words.textContent = "线断了，通了会从断的地方接着传…";
    await rest(AGAIN_MS);
  }
  if (stop.signal.aborted) return;
  if (answer.status === 401) return refuse("登录已经过期，请重新登录后再选一次，会接着传。", true);
  if (answer.status !== 200) return refuse(answer.said.sentence ?? "没有收下，请再选一次。");
  if (answer.said.here) return refuse("这件纠纷里已经有这个文件，没有再传。");
  const thumb = await thumbOf(file);
  delete row.dataset.sending;
  delete row.dataset.wants;
  bar.remove();
  named(one, { ...about, what: input.dataset.what || kind(file), thumb });
  settle(input);
}

/** The rows of a draft: what is at the node is there again, with its picture; what is not is asked for by name. fields: (name, value) of the draft. */
export async function bringFiles(form, fields) {
  const input = form.querySelector("input.pick"), pictures = [];
  if (!input) return;
  for (const [name, value] of fields) {
    if (name in LEFT) {
      wanted(rowOf(input, value), name);
    } else if (name === "upload") {
      const about = JSON.parse(value), one = rowOf(input, about.name);
      named(one, about);
      if (!about.thumb && about.mime.startsWith("image/")) pictures.push([one, about]);
    }
  }
  for (const [one, about] of pictures) {
    const answer = await fetch(`/drafts${address(about)}`, { headers }).catch(() => null);
    if (answer?.ok) named(one, { ...about, thumb: await thumbOf(await answer.blob()) });
  }
}
/** The form was refused. Another one with the same file may have been saved, or the file given up there: then its row asks for it again. */
async function lookAgain(form) {
  for (const field of form.querySelectorAll("[data-sent] [name=upload]")) {
    const { sum, size, name } = JSON.parse(field.value), row = field.parentElement, input = document.getElementById(row.parentElement.dataset.sent);
    const answer = await call("/uploads", "POST", JSON.stringify({ sum, size, name, ...(input.dataset.case ? { case: input.dataset.case } : {}) }));
    if (answer?.status !== 200 || answer.said.have === size || !field.isConnected) continue;
    wanted({ row, words: row.querySelector("span:not(.name)") }, "lost");
    settle(input);
  }
}
addEventListener("htmx:finally:request", ({ detail: { ctx } }) => { if (ctx?.response?.status === 404 && ctx.sourceElement?.matches?.("form[data-guard]")) lookAgain(ctx.sourceElement); });
const kind = ({ type }) => (type.startsWith("image/") ? "photo" : type.startsWith("audio/") || type.startsWith("video/") ? "voice" : type === "application/pdf" ? "paper" : "other");

/** The draft is to hold what the rows say. Somebody pressed the button while files were on their way: it is pressed for them when all are there. */
function settle(input) {
  const { form } = input;
  listOf(input).dispatchEvent(new Event("change", { bubbles: true }));
  if (busy(form)) return;
  form.querySelector("[data-waits]")?.remove();
  if (form.dataset.after !== undefined) { delete form.dataset.after; form.requestSubmit(); }
}
addEventListener("change", (e) => {
  const input = e.target;
  if (!input.matches?.("input.pick[type=file]:not([data-whole])") || !input.form || !canSend()) return;
  const files = [...input.files], room = input.dataset.most - input.form.querySelectorAll("[data-sending], [data-sent] [name=upload]").length;
  input.value = ""; // they are sent here, not with the form
  input.form.dataset.dirty = "";
  for (const name of input.form.querySelectorAll("[data-wants]:not([data-sending]) .name")) if (files.some((file) => file.name === name.textContent)) name.parentElement.remove();
  files.forEach((file, n) => { send(input, file, n < room); });
});
/** What is said under the button that was pressed, in place of what was said there before. */
function sayBelow(form, name, className, role, textContent) {
  unsay(form);
  const note = make("p", { className, textContent });
  note.dataset[name] = "";
  note.setAttribute("role", role);
  form.append(note);
}
const unsay = (form) => form.querySelector("[data-waits], [data-unsaved]")?.remove();
/** It was to be saved when all are there, and one of them was refused: whether it goes without is for whoever pressed. */
function notSaved(form) {
  delete form.dataset.after;
  sayBelow(form, "unsaved", "problem", "alert", "有文件没有收下，还没有保存：请看一下，再点一次。");
}
addEventListener("submit", (e) => {
  const form = e.target;
  if (!busy(form)) return unsay(form);
  e.preventDefault();
  e.stopImmediatePropagation();
  form.dataset.after = "";
  if (!form.querySelector("[data-waits]")) sayBelow(form, "waits", "note", "status", "附件还在传，传完自动保存。");
}, true);
addEventListener("reset", ({ target }) => {
  delete target.dataset.after;
  unsay(target);
  for (const row of target.querySelectorAll("[data-sending]")) row.dispatchEvent(new Event("thrown"));
  for (const list of target.querySelectorAll("[data-sent]")) list.replaceChildren();
});

// The page that waits for a file asks by itself: nobody answers. The next answer takes the place of these words.
addEventListener("htmx:error", ({ detail: { ctx } }) => {
  const place = ctx?.sourceElement;
  if (!place?.matches?.("#file-wait > [hx-get]") || ctx.response || place.querySelector("[data-unheard]")) return;
  const said = make("p", { className: "problem", textContent: "本机程序没有回答，不知道取到哪里了。这一页自己再问；两分钟还没有回答，请看装“一地”的那台电脑开着没有，再打电话问管理员。" });
  said.dataset.unheard = "";
  said.setAttribute("role", "alert");
  place.replaceChildren(said);
});
