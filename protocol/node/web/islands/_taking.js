// What takes longer than a moment says so: a file that is being made (a[data-takes]), a question of figures that is being counted (/statistics).
// Either is asked once however often it is pressed, and can be given up. Without a script both are plain links.
import { make } from "./_make.js";

const SOON_MS = 300, MEGABYTE = 1_048_576;
const nameOf = (answer, link) => decodeURIComponent(answer.headers.get("content-disposition")?.split("UTF-8''")[1] ?? link.pathname.split("/").at(-1));

async function read(answer, onBytes) {
  const parts = [], reader = answer.body.getReader();
  for (let bytes = 0, piece = await reader.read(); !piece.done; piece = await reader.read()) {
    parts.push(piece.value);
    onBytes(bytes += piece.value.byteLength);
  }
  return new Blob(parts, { type: answer.headers.get("content-type") ?? "" });
}

function hand(file, name) {
  const address = URL.createObjectURL(file), link = make("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

async function take(link) {
  if (link.getAttribute("aria-busy") === "true") return;
  document.querySelector(`[data-taken="${link.pathname}"]`)?.remove();
  const stop = new AbortController(), box = make("span", { className: "soft taking" }), words = make("span", { textContent: "正在做这个文件…" });
  const drop = make("button", { type: "button", className: "plain", textContent: "取消", onclick: () => stop.abort() });
  box.dataset.taken = link.pathname;
  words.setAttribute("role", "status");
  box.append(words, " ", drop);
  link.setAttribute("aria-busy", "true");
  const shown = setTimeout(() => link.after(box), SOON_MS);
  try {
    const answer = await fetch(link.href, { signal: stop.signal });
    if (!answer.ok || answer.redirected) throw new Error(answer.redirected ? 401 : answer.status); // to the page for signing in
    hand(await read(answer, (bytes) => { words.textContent = `已收 ${(bytes / MEGABYTE).toFixed(1)} 兆…`; }), nameOf(answer, link));
    box.remove();
  } catch (error) {
    drop.remove();
    if (stop.signal.aborted) box.remove();
    else { words.setAttribute("role", "alert"); words.className = "wrong"; words.textContent = error.message === "401" ? "登录已经过期，请重新登录后再导出。" : "没有做成，请再点一次。"; link.after(box); }
  } finally {
    clearTimeout(shown);
    link.removeAttribute("aria-busy");
  }
}

// ── a paper opens in a tab of its own, which is blank until it is made: it says what it waits for ──
const WAITS_MS = 1_000, STOP_MS = 10_000;
function paper(link) {
  const tab = open("", "_blank"), page = tab?.document;
  if (!page?.body) return false;
  const box = page.createElement("p"), words = page.createElement("span"), stop = page.createElement("button");
  page.title = link.textContent.trim();
  page.documentElement.lang = document.documentElement.lang;
  for (const sheet of document.querySelectorAll("link[rel=stylesheet]")) { const copy = page.createElement("link"); copy.rel = "stylesheet"; copy.href = sheet.href; page.head.append(copy); }
  box.className = "note";
  box.setAttribute("role", "status");
  box.append(words);
  stop.textContent = "不等了";
  stop.onclick = () => { tab.stop(); words.textContent = "没有等到。请关掉这一页，再点一次。"; stop.remove(); };
  setTimeout(() => { words.textContent = `正在准备：${page.title}…`; page.body.append(box); }, WAITS_MS);
  setTimeout(() => { words.textContent = "还没有准备好。已经下载下来的，可以关掉这一页。"; box.append(" ", stop); }, STOP_MS);
  tab.opener = null;
  tab.location.href = link.href;
  return true;
}

// ── a question that is counted while one waits on the page before ──
let going = null;
const over = () => { clearTimeout(going?.timer); going?.box.remove(); going = null; };
function go() {
  const box = make("p", { className: "note going" });
  const words = make("span", { textContent: "正在算，件数多的时候要几秒…" });
  words.setAttribute("role", "status");
  box.append(words, " ", make("button", { type: "button", className: "plain", textContent: "不等了", onclick: () => { window.stop(); over(); } }));
  going = { box, timer: setTimeout(() => document.querySelector("#main").prepend(box), SOON_MS) };
}
const once = (e) => { if (going) e.preventDefault(); else go(); };
addEventListener("click", (e) => {
  const link = e.target.closest?.("a[href]");
  if (!link || e.defaultPrevented || e.button || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return;
  if (link.matches("[data-takes]")) { e.preventDefault(); take(link); }
  else if (link.matches("[data-paper]")) { if (paper(link)) e.preventDefault(); }
  else if (link.pathname === "/statistics" && link.origin === location.origin) once(e);
});
addEventListener("submit", (e) => { if (e.target.getAttribute("action") === "/statistics" && !e.defaultPrevented) once(e); });
addEventListener("pageshow", over);
