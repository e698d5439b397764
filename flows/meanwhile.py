"""What is done over and over beside other work, in a thread under the same settings of Prefect's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread

_PARTING_S = 2.0


@contextmanager
def meanwhile(action: Callable[[], object], every_s: float, first_s: float = 0.0) -> Iterator[None]:
    """Call `action` after `first_s`, and then each `every_s`; what it raises ends that."""
    done = Event()

    def repeat() -> None:
        wait_s = first_s
        while not done.wait(wait_s):
            action()
            wait_s = every_s

    thread = Thread(target=copy_context().run, args=(repeat,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(_PARTING_S)
