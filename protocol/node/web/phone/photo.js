// A photo made small on the phone. Drawing it anew drops everything that the camera wrote into it, the position too; only when the cadre
// chose to keep it, the position alone is written back. Sources: Exif 2.32 §4.6 (IFD, GPS tags 0–4), TIFF 6.0 §2.
const SIDE_PX_MAX = 1600, PHOTO_BYTES_MAX = 500_000, HEAD_BYTES_MAX = 262_144;
const JPEG_START = 0xffd8, APP1 = 0xffe1, SCAN = 0xffda, EXIF = 0x45786966, GPS_POINTER = 0x8825, ASCII = 2, RATIONAL = 5;

export const encoded = (canvas, mime, quality) => new Promise((done) => { canvas.toBlob(done, mime, quality); });

/** JPEG bytes, at most SIDE_PX_MAX wide or high. Bytes, not the File: WebKit can lose Files that are kept. */
async function shrink(file) {
  const picture = await createImageBitmap(file), scale = Math.min(1, SIDE_PX_MAX / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.width * scale); canvas.height = Math.round(picture.height * scale);
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  let blob = null;
  for (const quality of [0.82, 0.65, 0.5]) { blob = await encoded(canvas, "image/jpeg", quality); if (blob.size <= PHOTO_BYTES_MAX) break; }
  return blob.arrayBuffer();
}

/** The TIFF part of a JPEG's Exif, null where there is none. */
function tiffOf(raw) {
  const v = new DataView(raw);
  if (v.byteLength < 4 || v.getUint16(0) !== JPEG_START) return null;
  for (let at = 2; at + 10 < v.byteLength;) {
    const marker = v.getUint16(at), size = v.getUint16(at + 2);
    if (marker === APP1 && v.getUint32(at + 4) === EXIF) return new DataView(raw, at + 10, Math.min(size - 8, v.byteLength - at - 10));
    if (marker === SCAN || marker < 0xff00) return null;
    at += 2 + size;
  }
  return null;
}

/** {latitude, longitude} in degrees as the camera wrote them, null where it wrote none or it can't be read. */
export async function positionOf(file) {
  try {
    const v = tiffOf(await file.slice(0, HEAD_BYTES_MAX).arrayBuffer());
    if (!v) return null;
    const le = v.getUint16(0) === 0x4949, u16 = (at) => v.getUint16(at, le), u32 = (at) => v.getUint32(at, le);
    const find = (ifd, tag) => { for (let i = 0; i < u16(ifd); i++) if (u16(ifd + 2 + 12 * i) === tag) return ifd + 2 + 12 * i; return 0; };
    const pointer = find(u32(4), GPS_POINTER), gps = pointer && u32(pointer + 8);
    const degrees = (ref, tag) => {
      const side = find(gps, ref), value = find(gps, tag), at = u32(value + 8), part = (n) => u32(at + 8 * n) / u32(at + 8 * n + 4);
      const sign = "SW".includes(String.fromCharCode(v.getUint8(side + 8))) ? -1 : 1;
      return side && value ? sign * (part(0) + part(1) / 60 + part(2) / 3600) : NaN;
    };
    const latitude = gps ? degrees(1, 2) : NaN, longitude = gps ? degrees(3, 4) : NaN;
    return Number.isFinite(latitude) && Number.isFinite(longitude) ? { latitude, longitude } : null;
  } catch { return null; } // written by a strange camera: a photo without a position
}

/** An Exif segment that holds a position and nothing else. */
function segment({ latitude, longitude }) {
  const raw = new ArrayBuffer(4 + 6 + 26 + 54 + 48), v = new DataView(raw); // marker and size, "Exif\0\0", header with IFD0, GPS IFD of 4, two times 3 fractions
  const base = 10, gps = 26, values = gps + 54;
  v.setUint16(0, APP1); v.setUint16(2, raw.byteLength - 2); v.setUint32(4, EXIF);
  v.setUint32(base, 0x4d4d002a); v.setUint32(base + 4, 8); // big endian, IFD0 follows
  const entry = (at, tag, type, count) => { v.setUint16(at, tag); v.setUint16(at + 2, type); v.setUint32(at + 4, count); return at + 8; };
  v.setUint16(base + 8, 1);
  v.setUint32(entry(base + 10, GPS_POINTER, 4, 1), gps);
  v.setUint16(base + gps, 4);
  [[latitude, "NS", 1], [longitude, "EW", 3]].forEach(([value, letters, tag], i) => {
    const at = base + gps + 2 + 24 * i, data = values + 24 * i, all = Math.round(Math.abs(value) * 3_600_000), parts = [Math.floor(all / 3_600_000), Math.floor(all / 60_000) % 60, all % 60_000];
    v.setUint8(entry(at, tag, ASCII, 2), letters.charCodeAt(value < 0 ? 1 : 0));
    v.setUint32(entry(at + 12, tag + 1, RATIONAL, 3), data);
    parts.forEach((part, n) => { v.setUint32(base + data + 8 * n, part); v.setUint32(base + data + 8 * n + 4, n === 2 ? 1000 : 1); });
  });
  return raw;
}

/** {bytes, where}: bytes of a small JPEG; where: "kept", "none" (the camera wrote no position), or "" when it was not to be kept. */
export async function taken(file, keepsPosition) {
  const bytes = await shrink(file), position = keepsPosition ? await positionOf(file) : null;
  if (!position) return { bytes, where: keepsPosition ? "none" : "" };
  return { bytes: await new Blob([bytes.slice(0, 2), segment(position), bytes.slice(2)]).arrayBuffer(), where: "kept" };
}
