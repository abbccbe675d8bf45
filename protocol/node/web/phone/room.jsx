// How much the phone can still keep, said before it fails. Text always finds room: it is written first, and is small.
import { signal } from "@preact/signals";

const WARN_BYTES = 30_000_000, PHOTO_BYTES = 400_000; // about seventy photos; below it the number left is said
export const room = signal(null); // bytes; null: not known
export const installs = signal(""); // why it should be put on the home screen
export async function measure() {
  const said = await navigator.storage?.estimate?.().catch(() => null);
  room.value = said?.quota ? Math.max(said.quota - said.usage, 0) : null;
}
/** Asks the browser not to clear the queue when the disk is short. Safari clears what was not opened for 7 days unless it is on the home screen. */
export async function persist() {
  const is = await navigator.storage?.persist?.().catch(() => false);
  if (!is && /iP(hone|ad)/.test(navigator.userAgent) && !navigator.standalone) installs.value = "请用“分享 → 添加到主屏幕”装到桌面，否则 7 天不打开，手机会清掉还没发出的内容。";
}
export const isShort = () => room.value !== null && room.value < WARN_BYTES;
export const Room = () => <>{installs.value && <p class="note">{installs.value}</p>}
  {isShort() && <p class="note" role="alert"><strong>手机快存满了</strong>，大约还能存 {Math.floor(room.value / PHOTO_BYTES)} 张照片。文字总是先存、先发。请删掉不用的照片、视频或应用，或到有信号的地方把待发送的发出去。</p>}</>;
