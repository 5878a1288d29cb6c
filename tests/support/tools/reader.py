"""A sender and a reader on loopback, for captures: one JSON object of settings as the argument."""

import itertools
import json
import socket
import struct
import sys
import threading
import time


def main(settings: dict) -> None:
    six = settings["family"] == 6
    family, host = (socket.AF_INET6, "::1") if six else (socket.AF_INET, "127.0.0.1")
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if settings.get("rcvbuf"):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, settings["rcvbuf"])
    listener.bind((host, 8888))
    listener.listen()
    reader = threading.Thread(target=read, args=(listener, settings))
    reader.start()
    for _ in range(settings.get("connections", 1)):
        send(family, host, settings)
    reader.join()


def read(listener: socket.socket, settings: dict) -> None:
    for _ in range(settings.get("connections", 1)):
        connection, _ = listener.accept()
        with connection:
            time.sleep(settings.get("pause_s", 0))
            while connection.recv(settings.get("read", 65536)):
                time.sleep(settings.get("delay_s", 0))


def send(family: int, host: str, settings: dict) -> None:
    with socket.socket(family) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if settings.get("sndbuf"):
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings["sndbuf"])
        if settings.get("nodelay"):
            sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if settings.get("keepalive"):
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
            sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        if settings.get("port"):
            sender.bind(("", settings["port"]))
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST, so that the port is free
        sender.connect((host, 8888))
        left = settings["bytes"]
        chunk = b"a" * settings["chunk"]
        for number in itertools.count(1):
            if left <= 0:
                break
            left -= sender.send(chunk[:left])
            if settings.get("burst") and number % settings["burst"] == 0:
                time.sleep(0.0005)  # lets the reader and the capture keep up
        time.sleep(settings.get("idle_s", 0))
        if not settings.get("port"):
            sender.shutdown(socket.SHUT_WR)
            sender.recv(1)
        sys.stdout.write(json.dumps(tcp_info(sender)))


def tcp_info(sender: socket.socket) -> dict:
    raw = sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)
    fields = {"total_retrans": ("I", 100), "busy_us": ("Q", 168), "rwnd_limited_us": ("Q", 176)}
    fields |= {"data_segs_out": ("I", 156), "bytes_retrans": ("Q", 208)}
    return {name: struct.unpack_from(kind, raw, at)[0] for name, (kind, at) in fields.items()}


main(json.loads(sys.argv[1]))
