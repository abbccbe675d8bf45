// The phone's service worker: the shell from cache, everything else from the network, the outbox on `sync`, a notification on `push`.
// SHELL is the bundle's hash, so a new build is a new worker and a new cache. The cached shell holds no person's data.
import { about, changeOf, WORDS } from "./news.js";
import { db, noted, replay } from "./outbox.js";

const PARTS = ["task.js", "en-task.js", "task.css", "theme.css"];
self.addEventListener("install", (e) => e.waitUntil((async () => {
  const { files } = await (await fetch("/static/manifest.json", { cache: "no-store" })).json();
  const cache = await caches.open(SHELL);
  await cache.addAll(["/task", "/task/app.webmanifest", ...PARTS.filter((f) => files[f]).map((f) => `/static/${files[f]}`)]);
  await self.skipWaiting();
})()));
self.addEventListener("activate", (e) => e.waitUntil((async () => {
  for (const name of await caches.keys()) if (name !== SHELL) await caches.delete(name);
  await self.clients.claim();
})()));
/** The shell in the language just chosen, kept in place of the other; without a network the one that is kept. */
async function chosen(request) {
  const cache = await caches.open(SHELL), told = await fetch(request).catch(() => null);
  if (!told?.ok) return (await cache.match("/task")) ?? Response.error();
  await cache.put("/task", told.clone());
  return told;
}
self.addEventListener("fetch", (e) => {
  const { pathname, origin } = new URL(e.request.url), shell = pathname === "/task";
  if (e.request.method !== "GET" || origin !== location.origin || !(shell || pathname.startsWith("/static/"))) return; // data is the page's business
  if (shell && new URL(e.request.url).searchParams.has("language")) return e.respondWith(chosen(e.request));
  e.respondWith(caches.match(e.request, { ignoreSearch: shell }).then((hit) => hit ?? fetch(e.request)));
});
self.addEventListener("sync", (e) => e.waitUntil(replay().then((left) => { if (left) throw new Error(`${left} wait`); })));
/** Somebody wrote on a task of this phone's. The knock itself says nothing: what is new is asked for, and without a session or a signal only that there is something. */
const phones = async () => (await self.clients.matchAll({ type: "window", includeUncontrolled: true })).filter((page) => new URL(page.url).pathname === "/task");
async function knocked() {
  const pages = await phones();
  for (const page of pages) page.postMessage({ knocked: true });
  if (pages.some((page) => page.visibilityState === "visible")) return; // it says it itself
  const state = await db, words = (await state.get("state", "words")) ?? WORDS, owner = (await state.get("state", "me"))?.person;
  const said = await fetch("/task/mine", { headers: { Accept: "application/json" } }).then((r) => (r.ok ? r.json() : null)).catch(() => null);
  const looked = (await noted("seen")) ?? {}, theirs = said?.me && said.me.person === owner ? said.tasks : [];
  const news = theirs.map((t) => [t, changeOf(looked[t.id], t)]).filter(([, what]) => what);
  for (const [t, what] of news.length ? news : [[null, "some"]]) await self.registration.showNotification(words[what], about(t, words));
}
self.addEventListener("push", (e) => e.waitUntil(knocked()));
async function tapped(task) {
  const [page] = await phones();
  if (!page) return self.clients.openWindow(task ? `/task#${task}` : "/task");
  await page.focus();
  page.postMessage({ open: task });
}
self.addEventListener("notificationclick", (e) => { e.notification.close(); e.waitUntil(tapped(e.notification.data?.task ?? "")); });
