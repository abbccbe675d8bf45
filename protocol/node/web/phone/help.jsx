// How the phone is used, in a few sentences; what to do when it is replaced or lost stands on the page of what was sent too.
export const Replaced = () => <section class="card"><h2>换手机、丢手机</h2><ul class="says">
  <li><strong>换新手机</strong>：先在旧手机上打开“发送情况”，等到“全部已送达”，再退出登录；新手机上打开同一个地址登录，任务自己会来。没发出的、没写完的只在旧手机里，不会跟着走；请先写完交上。</li>
  <li><strong>手机丢了、坏了</strong>：马上打电话给管理员停掉登录。已送到的都在中心；没发出的、没写完的找不回来，请换手机后补做。</li>
  <li><strong>不要清除浏览器数据</strong>、不要用无痕模式：没发出的会一起被清掉。</li></ul></section>;

export const Help = () => <main class="phone" id="main">
  <p><a class="back" href="#">‹ 我的任务</a></p><h1>怎么用</h1>
  <section class="card"><h2>没有信号也能办</h2><p>收到的任务都在手机里。接单、到场、写反馈、拍照照常办，先存在手机，有信号时自动发出，不用守着。</p></section>
  <section class="card"><h2>照片什么时候送出</h2><p>点“提交反馈”以后文字先发，照片、录音、签名接着发；“发送情况”里看得到发到哪里了。没有点“提交反馈”的，一样也没有发。</p></section>
  <section class="card"><h2>被退回怎么办</h2><p>“发送情况”里写着为什么。按那里说的做：点“再发一次”，或者点“不要这一步了”。点它以前写的都还在，别的任务照常发。</p></section>
  <Replaced />
</main>;
