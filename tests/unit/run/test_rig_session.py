from concurrent.futures import ThreadPoolExecutor
from threading import Event

from netem.contract.session import encode_piece, encode_reply
from testbed.run.rig_session import RigSession
from testbed.stack.ports import Conversation, Exit, Stream


def session(ended: Event, events: list[bytes]) -> RigSession:
    def follow() -> Exit:
        ended.wait()
        return Exit(0)

    def output(_stream: Stream, data: bytes) -> None:
        events.append(data)

    opened = RigSession("netem")
    opened.converse(Conversation(follow, lambda _: None, ended.set))
    opened.attach(output)
    return opened


def test_files_that_follow_the_last_event_are_awaited() -> None:
    ended, events = Event(), list[bytes]()
    cell = session(ended, events)
    cell.begin({})
    cell.output("stdout", b'{"event":"stopped"}\n')
    with ThreadPoolExecutor(1) as pool:
        files = pool.submit(cell.files, 60.0)
        cell.output("stdout", encode_piece("link.json", b"{}").encode())
        cell.output("stdout", encode_reply("files", left=[], code=0, stderr="").encode())
        assert files.result() == {"link.json": b"{}"}
    assert events == [b'{"event":"stopped"}\n']
    cell.close()


def test_files_are_not_awaited_of_a_cell_that_has_not_begun_or_of_a_session_that_has_ended() -> None:
    ended = Event()
    cell = session(ended, [])
    assert cell.files(600.0) is None
    cell.begin({})
    cell.close()
    assert cell.files(600.0) is None
