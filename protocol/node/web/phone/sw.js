// The phone's service worker: the shell from cache, everything else from the network, the outbox on `sync`.
// SHELL is the bundle's hash, so a new build is a new worker and a new cache. The cached shell holds no person's data.
import { replay } from "./outbox.js";

const PARTS = ["task.js", "task.css", "theme.css"];
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
self.addEventListener("fetch", (e) => {
  const { pathname, origin } = new URL(e.request.url), shell = pathname === "/task";
  if (e.request.method !== "GET" || origin !== location.origin || !(shell || pathname.startsWith("/static/"))) return; // data is the page's business
  e.respondWith(caches.match(e.request, { ignoreSearch: shell }).then((hit) => hit ?? fetch(e.request)));
});
self.addEventListener("sync", (e) => e.waitUntil(replay().then((left) => { if (left) throw new Error(`${left} wait`); })));
