// How much the phone can still keep, and its node, said before it fails: the latter as the node told it last. Text always finds room (reserve.js).
import { signal } from "@preact/signals";
import { db } from "./outbox.js";
import { asOf } from "./parts.jsx";
import { laid } from "./reserve.js";
import { flow, me } from "./state.js";

export const isShort = signal(false);
export const installs = signal(""); // why it should be put on the home screen
export const measure = async () => { isShort.value = !await laid(db).catch(() => true); };
/** Asks the browser not to clear the queue when the disk is short. Safari clears what was not opened for 7 days unless it is on the home screen. */
export async function persist() {
  const is = await navigator.storage?.persist?.().catch(() => false);
  if (!is && /iP(hone|ad)/.test(navigator.userAgent) && !navigator.standalone) installs.value = "请用“分享 → 添加到主屏幕”装到桌面，否则 7 天不打开，手机会清掉还没发出的内容。";
}
/** Where files are chosen: how large one may be, and what still fits. An older node tells neither. */
export const FilesRoom = () => flow.value.files && <p class="soft hint">{`照片、录音：${flow.value.files.room}`}{asOf()}</p>;
export const Room = () => <>{installs.value && <p class="note">{installs.value}</p>}
  {me.value && flow.value.files?.short && <p class="note">{flow.value.files.short}{asOf()}照常写、照常拍：收不下的先留在手机里，有地方了自动发出。</p>}
  {isShort.value && <p class="note" role="alert"><strong>手机快存满了</strong>，照片、录音可能很快就存不下；文字给留了地方，总是先存、先发。请删掉不用的照片、视频或应用，或到有信号的地方把待发送的发出去。</p>}</>;
