"""The inbox between callbacks and the worker: the newest image wins, every image is counted, and each is one reader's."""

import threading
import time
from functools import partial

from promptmid_ros.inbox import Inbox


class TestInbox:
    """Newest image wins."""

    def test_counts_add_up_while_images_come_from_several_threads(self) -> None:
        inbox, taken = Inbox(), []
        inbox.serve(self)
        worker = threading.Thread(target=lambda: taken.extend(iter(partial(inbox.take, self), None)))
        worker.start()
        senders = [threading.Thread(target=lambda: [inbox.put(i) for i in range(500)]) for _ in range(4)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        time.sleep(0.05)
        inbox.close()
        worker.join(5)
        assert inbox.received == 2000
        assert inbox.taken == len(taken)
        assert inbox.taken + inbox.dropped == 2000
        assert sum(arrival.dropped for arrival in taken) == inbox.dropped

    def test_the_newest_is_taken(self) -> None:
        inbox = Inbox()
        inbox.serve(self)
        for i in range(3):
            inbox.put(i)
        arrival = inbox.take(self)
        assert (arrival.message, arrival.dropped) == (2, 2)
        inbox.put(3)
        inbox.close()
        assert inbox.take(self) is None
        assert (inbox.received, inbox.taken, inbox.dropped) == (4, 1, 3)


class TestReaders:
    """An image is in one hand at most, and its verdict told by one reader or by who has dismissed it."""

    def test_who_is_dismissed_gives_its_image_back_and_takes_none_any_more(self) -> None:
        inbox = Inbox()
        inbox.serve("first")
        inbox.put(1)
        inbox.take("first")
        inbox.put(2)
        assert inbox.dismiss().message == 1
        assert inbox.dismiss() is None
        assert not inbox.claim("first") and inbox.take("first") is None
        inbox.serve("second")
        assert inbox.take("first") is None and not inbox.serves("first")
        assert inbox.take("second").message == 2
        assert not inbox.claim("first") and inbox.claim("second") and not inbox.claim("second")

    def test_who_waits_for_an_image_leaves_it_to_its_successor(self) -> None:
        inbox, taken = Inbox(), []
        inbox.serve("first")
        waiting = threading.Thread(target=lambda: taken.append(inbox.take("first")))
        waiting.start()
        inbox.dismiss()
        inbox.serve("second")
        inbox.put(1)
        waiting.join(5)
        assert not waiting.is_alive() and taken == [None]
        assert inbox.take("second").message == 1

    def test_once_closed_it_has_no_reader(self) -> None:
        inbox = Inbox()
        inbox.serve("first")
        inbox.put(1)
        inbox.take("first")
        inbox.close()
        inbox.serve("second")
        assert inbox.take("second") is None and not inbox.claim("first")

    def test_an_image_waits_from_when_it_is_taken_or_where_none_takes_it_from_when_the_inbox_was_filled(self) -> None:
        inbox = Inbox()
        inbox.serve(self)
        assert inbox.waited_s() == 0.0
        inbox.put(1)
        time.sleep(0.02)
        before = inbox.waited_s()
        inbox.put(2)
        assert inbox.waited_s() >= before >= 0.02
        inbox.take(self)
        time.sleep(0.02)
        assert inbox.waited_s() >= 0.02
        assert inbox.claim(self) and inbox.waited_s() == 0.0
