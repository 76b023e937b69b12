"""The line to the TypeScript side: framed messages over a socket of its own, so that nothing a task prints can disturb it.

A frame is two little-endian uint32 (bytes of JSON, bytes of arrays), the JSON, and the arrays one after another. The JSON
lists the arrays: `"arrays": [[name, "f64" | "i32", count], ...]`. Numbers that may be NaN travel as arrays.
"""

from __future__ import annotations

import array
import json
import os
import queue
import socket
import struct
import sys
import threading
from typing import Any, Dict, Optional, Tuple

Arrays = Dict[str, "array.array[Any]"]
_TYPES = {"f64": "d", "i32": "i"}
_NAMES = {"d": "f64", "i": "i32"}


class Channel:
    """`cancelled` is set as soon as the other side asks for it, whatever this side is doing."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._requests: "queue.Queue[Tuple[Dict[str, Any], Arrays]]" = queue.Queue()
        self._lock = threading.Lock()
        self.cancelled = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    @staticmethod
    def connect(address: str) -> "Channel":
        host, port = address.rsplit(":", 1)
        return Channel(socket.create_connection((host, int(port)), timeout=None))

    def send(self, message: Dict[str, Any], arrays: Optional[Arrays] = None) -> None:
        given = arrays or {}
        message["arrays"] = [[name, _NAMES[values.typecode], len(values)] for name, values in given.items()]
        text = json.dumps(message, allow_nan=False).encode()
        payload = b"".join(_little(values).tobytes() for values in given.values())
        with self._lock:
            self._socket.sendall(struct.pack("<II", len(text), len(payload)) + text + payload)

    def receive(self) -> Tuple[Dict[str, Any], Arrays]:
        return self._requests.get()

    def _read(self) -> None:
        try:
            while True:
                text_length, payload_length = struct.unpack("<II", self._exactly(8))
                message = json.loads(self._exactly(text_length))
                payload = self._exactly(payload_length)
                arrays: Arrays = {}
                offset = 0
                for name, kind, count in message.pop("arrays", []):
                    values = array.array(_TYPES[kind])
                    end = offset + count * values.itemsize
                    values.frombytes(payload[offset:end])
                    arrays[name] = _little(values)
                    offset = end
                if message["kind"] == "cancel":
                    self.cancelled.set()
                else:
                    self._requests.put((message, arrays))
                if message["kind"] == "close":
                    return
        except (OSError, EOFError):
            # The other side is gone: nobody waits for an answer, whatever is being computed.
            os._exit(1)

    def _exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self._socket.recv(min(count - len(parts), 1 << 20))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)


def _little(values: "array.array[Any]") -> "array.array[Any]":
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values
