"""A mail server to be fed: aiosmtpd, without encryption and without looking at what it takes.

Its argument names a file. For each mail it writes a line into it: the time of the monotonic clock in seconds, the
Message-ID, the recipient. It prints its port and serves until its standard input ends.
"""

import asyncio
import os
import sys
import time

from aiosmtpd.smtp import SMTP

taken = open(sys.argv[1], "a", buffering=1, encoding="utf-8")


class Handler:
    async def handle_DATA(self, server, session, envelope):
        head = envelope.content.partition(b"\r\n\r\n")[0].decode().splitlines()
        name = next(line.partition(":")[2].strip() for line in head if line.lower().startswith("message-id:"))
        # On its way to the kernel before it is acknowledged.
        taken.write(f"{time.monotonic()} {name} {envelope.rcpt_tos[0]}\n")
        return "250 taken"


async def main():
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Handler(), hostname="localhost"), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
# The executor's thread and open connections are of no interest any more.
os._exit(0)
