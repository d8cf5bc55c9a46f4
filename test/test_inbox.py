"""The inbox between callbacks and the worker: the newest image wins, and every image is counted."""

import threading
import time

from promptmid_ros.inbox import Inbox


class TestInbox:
    """Newest image wins."""

    def test_counts_add_up_while_images_come_from_several_threads(self) -> None:
        inbox, taken = Inbox(), []
        worker = threading.Thread(target=lambda: taken.extend(iter(inbox.take, None)))
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
        for i in range(3):
            inbox.put(i)
        arrival = inbox.take()
        assert (arrival.message, arrival.dropped) == (2, 2)
        inbox.put(3)
        inbox.close()
        assert inbox.take() is None
        assert (inbox.received, inbox.taken, inbox.dropped) == (4, 1, 3)
