"""Runs inside user-mode Linux: commands come over a serial line, one JSON object a line, and so do answers."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import termios
import threading
import tty
from typing import Any


def serve(line: str) -> None:
    descriptor = os.open(line, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(descriptor, termios.TCSANOW)
    writing = threading.Lock()

    def send(answer: dict[str, Any]) -> None:
        with writing:
            left = json.dumps(answer).encode() + b"\n"
            while left:
                left = left[os.write(descriptor, left) :]

    def run_command(order: dict[str, Any]) -> None:
        try:
            done = subprocess.run(
                order["argv"], input=base64.b64decode(order["input"]), capture_output=True, timeout=order["seconds"],
                check=False, env=order["env"], cwd="/root",
            )  # fmt: skip
            status, out, err = done.returncode, done.stdout, done.stderr
        except (OSError, subprocess.TimeoutExpired) as error:
            status, out, err = 127, b"", str(error).encode()
        send({
            "id": order["id"], "status": status,
            "out": base64.b64encode(out).decode(), "err": base64.b64encode(err).decode(),
        })  # fmt: skip

    send({"ready": True})
    with os.fdopen(os.dup(descriptor), "rb", buffering=0) as orders:
        waiting = b""
        while got := orders.read(65536):
            *lines, waiting = (waiting + got).split(b"\n")
            for text in lines:
                threading.Thread(target=run_command, args=(json.loads(text),), daemon=True).start()


if __name__ == "__main__":
    serve(sys.argv[1])
