// Room kept free on the phone, so that a full phone is noticed before something is lost. A browser's own estimate can't be used for it:
// Chromium says "10 GB more" whatever there is (found with an overridden quota, 2026-11).
//
// Two records of noise lie in the store. The larger one is given up for a photo that would not fit: it is kept, and the cadre is told that
// the next may not be. The smaller one is given up for text and steps alone: they find room when no photo does any more.
export const TEXT_ROOM = "reserve-text";
const PARTS = [[TEXT_ROOM, 2_000_000], ["reserve-files", 12_000_000]], PIECE_BYTES = 65_536; // about thirty photos
const noise = (size) => { const raw = new Uint8Array(size); for (let at = 0; at < size; at += PIECE_BYTES) crypto.getRandomValues(raw.subarray(at, Math.min(at + PIECE_BYTES, size))); return raw.buffer; }; // zeros would be stored as nothing

/** Lays what is missing, text first. True: all of it lies there. */
export async function laid(db) {
  const store = await db;
  for (const [name, size] of PARTS) {
    if (await store.getKey("state", name)) continue;
    try { await store.put("state", noise(size), name); } catch { return false; }
  }
  return true;
}
/** What is kept free for text is there; where it is not, no file is taken. */
export const isTextSafe = async (db) => { await laid(db); return Boolean(await (await db).getKey("state", TEXT_ROOM)); };
/** Runs a write; when the disk refuses it, again for each part that may be given up for it, by this write or by another one just now. Throws what the last one threw. */
export async function withRoom(db, write, isText = true) {
  const parts = PARTS.map(([name]) => name).reverse().slice(0, isText ? 2 : 1);
  for (let tries = 0; ; tries++) {
    try { return await write(); } catch (error) {
      if (tries === parts.length) throw error;
      const store = await db;
      for (const name of parts) if (await store.getKey("state", name)) { await store.delete("state", name); break; }
    }
  }
}
