// Files chosen in a form go to the node at once, in pieces, with progress and a way to give up; the form then only names them.
// A cut line is waited out and gone on from; without JavaScript or https the form sends the files itself, as before.
import { make } from "./_make.js";
import { call, canSend, digest, sendPieces, thumbOf } from "./_send.js";

const AGAIN_MS = 2_000, MEGABYTE = 1_048_576;
const rest = (ms) => new Promise((done) => { setTimeout(done, ms); });
const busy = (form) => form.querySelectorAll("[data-sending]").length > 0;

/** fits: false for what is more than one form takes; it is named, and not sent. */
async function send(input, file, fits) {
  const stop = new AbortController(), words = make("span", { className: "soft", textContent: "正在算校验…" }), bar = make("progress", { max: 1, value: 0 });
  const drop = make("button", { type: "button", className: "plain", textContent: "取消" }), row = make("li", {}, make("span", { className: "name", textContent: file.name }), bar, words, drop);
  bar.setAttribute("aria-label", `${file.name} 已传`);
  row.dataset.sending = "";
  input.form.querySelector(`[data-sent="${input.id}"]`).append(row);
  let sum = "";
  drop.addEventListener("click", () => { stop.abort(); row.remove(); settle(input.form); if (sum) call(`/uploads/${sum}?size=${file.size}`, "DELETE"); });
  const refuse = (said) => { delete row.dataset.sending; bar.remove(); words.className = "wrong"; words.setAttribute("role", "alert"); words.textContent = said; drop.textContent = "去掉"; delete input.form.dataset.after; };
  if (!fits) return refuse(`一次最多 ${input.dataset.most} 个文件，这个没有传。先保存，再加其余的。`);
  const bytes = await file.arrayBuffer().catch(() => null);
  if (!bytes || !bytes.byteLength) return refuse("这个文件读不出来，或者是空的。");
  sum = await digest(bytes);
  const about = { sum, size: file.size, name: file.name.slice(-200), mime: file.type };
  const asked = { ...about, ...(input.dataset.case ? { case: input.dataset.case } : {}) };
  const shown = (share) => { bar.value = share; words.textContent = `已传 ${Math.floor(share * 100)}%，共 ${(file.size / MEGABYTE).toFixed(1)} 兆`; };
  let answer;
  while (!stop.signal.aborted) {
    answer = await sendPieces(asked, bytes, shown, stop.signal);
    if (answer && answer.status < 500 && answer.status !== 429 && answer.status !== 408) break;
    if (answer?.status === 507) break;
    if (stop.signal.aborted) return;
    words.textContent = "线断了，通了会从断的地方接着传…";
    await rest(AGAIN_MS);
  }
  if (stop.signal.aborted) return;
  if (answer.status === 401) return refuse("登录已经过期，请重新登录后再选一次，会接着传。");
  if (answer.status !== 200) return refuse(answer.said.sentence ?? "没有收下，请再选一次。");
  if (answer.said.here) return refuse("这件纠纷里已经有这个文件，没有再传。");
  const named = make("input", { type: "hidden", name: "upload", value: JSON.stringify({ ...about, what: input.dataset.what || kind(file), thumb: await thumbOf(file) }) });
  delete row.dataset.sending;
  row.append(named);
  bar.remove();
  words.textContent = "已传到本机";
  settle(input.form);
}
const kind = ({ type }) => (type.startsWith("image/") ? "photo" : type.startsWith("audio/") || type.startsWith("video/") ? "voice" : type === "application/pdf" ? "paper" : "other");

/** Somebody pressed the button while files were on their way: it is pressed for them when all are there. */
function settle(form) {
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
  files.forEach((file, n) => { send(input, file, n < room); });
});
addEventListener("submit", (e) => {
  const form = e.target;
  if (!busy(form)) return;
  e.preventDefault();
  e.stopImmediatePropagation();
  form.dataset.after = "";
  if (!form.querySelector("[data-waits]")) { const note = make("p", { className: "note", textContent: "附件还在传，传完自动保存。" }); note.dataset.waits = ""; note.setAttribute("role", "status"); form.append(note); }
}, true);
addEventListener("reset", (e) => { for (const list of e.target.querySelectorAll("[data-sent]")) list.replaceChildren(); });
