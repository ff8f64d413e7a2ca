import os
import signal
import time
from collections.abc import Iterator

import pytest

from ganlab.callbacks.signals import TWICE, Interrupted, Signals


@pytest.fixture
def signals() -> Iterator[Signals]:
    """Signals within its context, that notes the code to leave with; the handlers of the tests are put back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has tests in the background ignore it
    signals = Signals()
    signals.codes = []  # type: ignore[attr-defined]
    signals.leave = signals.codes.append  # type: ignore[attr-defined]
    with signals:
        yield signals
    for number, handler in handlers.items():
        signal.signal(number, handler)


def send(*numbers: int) -> None:
    for number in numbers:
        os.kill(os.getpid(), number)


def test_before_training_there_is_nothing_to_save(signals: Signals) -> None:
    with pytest.raises(Interrupted) as stopped:
        send(signal.SIGINT)
    assert stopped.value.exit_code == 130 and str(stopped.value) == "interrupted by SIGINT"
    assert signal.getsignal(signal.SIGTERM) == signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 128 + signal.SIGUSR1), (signal.SIGINT, 130)]
)
def test_the_first_signal_counts(signals: Signals, number: int, code: int) -> None:
    signals.on_train_start()
    send(number, signal.SIGTERM, signal.SIGUSR1, signal.SIGTERM)  # as torchrun does below SLURM
    assert signals.number == number and Interrupted(number).exit_code == code
    assert signals.codes == []  # type: ignore[attr-defined]


def test_a_second_ctrl_c_leaves_at_once(signals: Signals) -> None:
    signals.on_train_start()
    send(signal.SIGINT, signal.SIGINT)  # of a terminal, and of torchrun, which passes it on
    assert signals.codes == []  # type: ignore[attr-defined]
    time.sleep(1.1 * TWICE)
    send(signal.SIGTERM, signal.SIGINT)
    assert signals.codes == [130]  # type: ignore[attr-defined]


def test_what_is_ignored_stays_ignored_and_handlers_come_back() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with Signals() as signals:
        signals.on_train_start()
        send(signal.SIGINT)
        assert signals.number is None and signal.getsignal(signal.SIGTERM) == signals.note
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    signal.signal(signal.SIGINT, before[0])
    signal.signal(signal.SIGTERM, before[1])
