"""Whether a PostgreSQL forgets what it said it had kept: asked at each opening, for every receipt rests on it.

What a session can settle is settled by ours (`engine.postgres_engine`: synchronous_commit on); somebody between the two (a pool) may have
dropped that, so it is asked as well. The other two are the server's own: without `fsync` a power cut loses what was committed,
without `full_page_writes` it may leave half a page. There is no way round it, for tests neither.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

SETTINGS = {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": ("on", "remote_apply")}  # each must be one of these


class StoreForgets(RuntimeError):
    """PostgreSQL 说存好了，停电以后却可能没有：没有启动。"""

    def __init__(self, setting: str, now: str) -> None:
        super().__init__(
            f"PostgreSQL 的 {setting} 现在是 {now}，一停电，告诉过人“已保存”的就可能丢，所以没有启动。请在 postgresql.conf 里改成 {setting} = on"
            "（连接池、ALTER ROLE 或 ALTER DATABASE 改过它的，在那里改回来），重新加载 PostgreSQL，再启动一次。\n"
            f"PostgreSQL runs with {setting} = {now}: a power cut may take what was said to be saved, so nothing was started. "
            f"Set {setting} = on in postgresql.conf (or where a pool, a role or a database changes it), reload PostgreSQL, start again."
        )


async def ensure(c: AsyncConnection) -> None:
    """Raises StoreForgets at the first setting that is not safe."""
    for name, safe in SETTINGS.items():
        now = (await c.execute(text("select current_setting(:name)"), {"name": name})).scalar_one()
        if now not in safe:
            raise StoreForgets(name, now)
