// What lies on the phone is sealed: AES-GCM under a key that the browser makes, keeps, and never hands out, not even to this page.
//
// So whoever copies values out of the store, or runs another page, reads nothing of a visit. It is no defence against somebody who has
// the unlocked phone, or its whole browser profile on a desk: the browser keeps the key beside the data. That is what the phone's own
// lock and disk encryption are for, and the wiping of a lost phone's session at its node. Only in a secure context (https).
const IV_BYTES = 12;
let ours = null;

/** The key of this browser, made at first use; one for all tabs and the worker. */
const key = (db) => (ours ??= navigator.locks.request("yidi-key", async () => {
  const store = await db, kept = await store.get("state", "key");
  if (kept) return kept;
  const made = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  await store.put("state", made, "key");
  return made;
}).catch((error) => { ours = null; throw error; }));

export const forgetKey = () => { ours = null; }; // its store is gone, and with it what it would open

/** bytes (ArrayBuffer) sealed to `of`, the id of its record: a box moved to another record does not open. */
export async function seal(db, of, bytes) {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES)), additionalData = new TextEncoder().encode(of);
  return { iv, box: await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, await key(db), bytes) };
}
/** Throws when it is not ours, or not whole. */
export const unseal = async (db, of, { iv, box }) => crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData: new TextEncoder().encode(of) }, await key(db), box);

// Values with pictures in them: ArrayBuffers stand behind the JSON, in its order.
const pack = (value) => {
  const parts = [], json = JSON.stringify(value, (_, v) => (v instanceof ArrayBuffer ? { bytes: parts.push(v) - 1 } : v)), head = new TextEncoder().encode(json);
  const sizes = new Uint32Array([parts.length, head.length, ...parts.map((p) => p.byteLength)]);
  return new Blob([sizes, head, ...parts]).arrayBuffer();
};
const unpack = (raw) => {
  const [count, head] = new Uint32Array(raw.slice(0, 8)), sizes = new Uint32Array(raw.slice(8, 8 + 4 * count)), parts = [];
  let at = 8 + 4 * count + head;
  for (const size of sizes) parts.push(raw.slice(at, (at += size)));
  return JSON.parse(new TextDecoder().decode(raw.slice(8 + 4 * count, 8 + 4 * count + head)), (_, v) => (v && typeof v === "object" && Object.keys(v).join() === "bytes" ? parts[v.bytes] : v));
};
export const sealed = async (db, of, value) => seal(db, of, await pack(value));
export const unsealed = async (db, of, kept) => unpack(await unseal(db, of, kept));
