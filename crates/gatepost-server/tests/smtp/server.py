"""A mail server for tests: aiosmtpd with a certificate, a sign-in, and the moods that real ones have.

It takes one argument, a JSON object: the folder that it works in, the port (0: a free one), the encryption (starttls, tls
or none), and whether it wants a sign-in. It prints its port and serves until its standard input ends. Its mood is in the
file `mood`, read at each mail: accept, 451, 550, hang, or `kill PID AFTER`, which takes AFTER mails and kills the
process that brings the next one, when it has the mail and before it says so. What it took stands in `mails.jsonl`, and
what it was told before the encryption in `clear.txt`.
"""

import asyncio
import json
import os
import ssl
import sys
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult

options = json.loads(sys.argv[1])
folder = options["folder"]
taken = 0


def note(name, text):
    with open(os.path.join(folder, name), "a", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def mood():
    try:
        with open(os.path.join(folder, "mood"), encoding="utf-8") as file:
            return file.read().split() or ["accept"]
    except FileNotFoundError:
        return ["accept"]


def is_encrypted(server):
    return server.transport.get_extra_info("ssl_object") is not None


class Handler:
    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server, session, envelope, address, mail_options):
        if not is_encrypted(server):
            note("clear.txt", "MAIL FROM " + address)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        word = mood()[0]
        if word in ("451", "550"):
            return word + " 5.7.1 not today: https://blocked.example/#token=" + "x" * 20
        if word == "hang":
            await asyncio.sleep(3600)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        global taken
        mail = message_from_bytes(envelope.content, policy=policy.default)
        parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
        note("mails.jsonl", json.dumps({
            "id": mail["message-id"], "from": mail["from"], "to": envelope.rcpt_tos, "sender": envelope.mail_from,
            "subject": mail["subject"], "auto": mail["auto-submitted"], "text": parts.get("text/plain"),
            "html": parts.get("text/html"), "encrypted": is_encrypted(server),
            "authenticated": session.authenticated, "hello": session.host_name, "peer": session.peer[1],
            "ascii": envelope.content.isascii(),
        }))
        taken += 1
        words = mood()
        if words[0] == "kill" and taken > int(words[2]):
            os.kill(int(words[1]), 9)
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    if not is_encrypted(server):
        note("clear.txt", "AUTH")
    good = (data.login, data.password) == (b"gatepost", b"correct horse 42")
    return AuthResult(success=good, handled=good)


async def main():
    context = None
    if options["tls"] != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
    wants_sign_in = options["sign_in"]

    def protocol():
        return SMTP(
            Handler(),
            hostname="localhost",
            tls_context=context if options["tls"] == "starttls" else None,
            require_starttls=options["tls"] == "starttls",
            authenticator=authenticate,
            auth_required=wants_sign_in,
            auth_require_tls=options["tls"] == "starttls",
        )

    server = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", options["port"], ssl=context if options["tls"] == "tls" else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    # The test that started this one holds the other end.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
# The executor's thread and open connections are of no interest any more.
os._exit(0)
