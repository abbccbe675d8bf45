// A file on its way to the node, in pieces: asked about first, resumed where it stopped, the same for a desk and a phone.
// Needs a secure context (https, or this machine itself): only there a browser has SHA-256. Elsewhere a form sends files whole.
import { headers } from "./_whose.js";

const THUMB_BYTES_MAX = 20_480, THUMB_PX = 320, ASK_MS_MAX = 90_000;

export const canSend = () => Boolean(globalThis.crypto?.subtle);
export const digest = async (bytes) => [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].map((b) => b.toString(16).padStart(2, "0")).join("");

/** {status, said} of the node's answer; null when none came. */
export async function call(path, method, body, signal) {
  if (signal?.aborted) return null;
  const stop = new AbortController(), timer = setTimeout(() => stop.abort(), ASK_MS_MAX), over = () => stop.abort();
  signal?.addEventListener("abort", over);
  try {
    const r = await fetch(path, { method, body, headers: { Accept: "application/json", ...headers }, signal: stop.signal });
    return { status: r.status, said: await r.json().catch(() => ({})) };
  } catch { return null; } finally { clearTimeout(timer); signal?.removeEventListener("abort", over); }
}

/** Sends what the node does not have yet. about: {sum, size, name, mime, …}. Returns the last answer; status 200: all of it is there. */
export async function sendPieces(about, bytes, onProgress, signal) {
  let answer = await call("/uploads", "POST", JSON.stringify(about), signal);
  if (answer?.status !== 200) return answer;
  const piece = answer.said.piece, stuck = (have) => have === answer.said.have;
  for (let have = answer.said.have; have < about.size;) {
    onProgress?.(have / about.size);
    answer = await call(`/uploads/${about.sum}?size=${about.size}&offset=${have}`, "PUT", bytes.slice(have, have + piece), signal);
    if (answer?.status !== 200) return answer;
    if (stuck(have)) return null; // it took nothing: begin anew later
    have = answer.said.have;
  }
  onProgress?.(1);
  return answer;
}

const encoded = (canvas, quality) => new Promise((done) => { canvas.toBlob(done, "image/jpeg", quality); });
/** A small JPEG of a picture as base64, "" when it is none. It is what travels down by itself. */
export async function thumbOf(blob) {
  let picture;
  try { picture = await createImageBitmap(blob); } catch { return ""; }
  for (let side = THUMB_PX; side >= 80; side /= 2) {
    const scale = Math.min(1, side / Math.max(picture.width, picture.height)), canvas = document.createElement("canvas"), c = canvas.getContext("2d");
    canvas.width = Math.max(1, Math.round(picture.width * scale)); canvas.height = Math.max(1, Math.round(picture.height * scale));
    c.fillStyle = "#fff"; c.fillRect(0, 0, canvas.width, canvas.height); // a signature has no ground of its own
    c.drawImage(picture, 0, 0, canvas.width, canvas.height);
    for (const quality of [0.7, 0.5]) {
      const small = await encoded(canvas, quality);
      if (small && small.size <= THUMB_BYTES_MAX) return btoa(String.fromCharCode(...new Uint8Array(await small.arrayBuffer())));
    }
  }
  return "";
}
