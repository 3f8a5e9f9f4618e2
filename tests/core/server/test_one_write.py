"""`JoinedWrites`: head and body in one write; nothing is held for longer than a turn."""

import asyncio

from torch_rechub.server.one_write import JoinedWrites


class Transport:
    """Notes what is written."""

    def __init__(self):
        self.writes = []

    def write(self, data):
        self.writes.append(data)

    def close(self):
        self.writes.append("closed")

    def is_closing(self):
        return "closed" in self.writes


def written(*steps):
    """The writes after steps: data, None for a turn of the loop, or the name of a method."""

    async def main():
        transport = Transport()
        joined = JoinedWrites(transport)
        for step in steps:
            if step is None:
                await asyncio.sleep(0)
            elif isinstance(step, bytes):
                joined.write(step)
            else:
                getattr(joined, step)()
        return transport.writes

    return asyncio.run(main())


def test_a_head_and_its_body_are_one_write():
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    assert written(head, b"body", head, b"other") == [head + b"body", head + b"other"]
    assert written(head, b"body", b"more") == [head + b"body", b"more"]


def test_a_head_alone_is_written_in_the_next_turn_or_at_the_close():
    head = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert written(head, None) == [head]
    assert written(head, None, head, b"body") == [head, head + b"body"]
    assert written(head, "close") == [head, "closed"]
    assert written("is_closing", "close") == ["closed"]
