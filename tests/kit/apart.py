"""A command in a network of its own, where the lines between programs can be broken: `unshare`, as root or as an ordinary user.

await apart.printed(sys.executable, "-m", "tests.link.silent", folder)     its last line; AssertionError with what it complained of
apart.allowed()                                                            some machines allow it to nobody
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache


def words() -> list[str]:
    """Before the command."""
    return ["unshare", "--net", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]


@cache
def allowed() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run([*words(), "true"], check=False, capture_output=True).returncode == 0


async def printed(*command: str, environ: Mapping[str, str] | None = None) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *words(), *command, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        said, trouble = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, trouble.decode(errors="replace")[-3000:]
    return said.splitlines()[-1]
