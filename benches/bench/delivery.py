"""Mail: how fast a full queue is delivered to a mail server beside us, and whether one slow session holds up the others."""

import json
import subprocess

from .process import Program, Spoiled, free_port

SLOW_MS = 2000


def deliver(service, programs, first, last, tokens=None, slow=False):
    """Queues a mail to each of these users before the mail server greets anybody, then measures until all have arrived."""
    port, count = free_port(), last - first
    words = [programs / "bench-sink", f"127.0.0.1:{port}", count]
    words += ["--slow", SLOW_MS] if slow else []
    words += ["--tokens", tokens] if tokens else []
    with Program("bench-sink", words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sink:
        sink.wait_for_port(port)
        with service.serve(UNFORGET_MAIL__URL=f"smtp+plain://127.0.0.1:{port}") as server:
            if not hasattr(service, "token"):
                service.sign_in()
            service.remind(first, last)
            try:
                said = json.loads(sink.process.communicate(b"now\n", timeout=60 + count / 20)[0])
            except (subprocess.TimeoutExpired, ValueError):
                raise Spoiled(f"{count} mails do not arrive") from None
            server.is_alive()
    # A slow session's last mail comes when all others are there: that is no matter of speed.
    rate = (count - 1) / said["but_one"] if slow else count / said["seconds"]
    return {"database": service.database, "slow": slow, "per_second": rate} | said
