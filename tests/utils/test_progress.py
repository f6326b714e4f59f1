"""Progress where the output is no terminal: lines of plain text."""

import re
import threading

import pytest

from haploscribe.utils import progress
from haploscribe.utils.progress import StageReport, Timer, stage


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_line_says_what_is_done_and_what_is_left() -> None:
    clock = Clock()
    report = StageReport("Fitting genes", 1_200, "genes", clock)
    assert report.line() == "Fitting genes: 0 of 1,200 genes, 0:00:00"
    report.advance(0)
    clock.now += 60
    report.advance(300)
    clock.now += 30
    assert report.line() == "Fitting genes: 300 of 1,200 genes, 0:01:30, ~0:04:30 left"
    report.advance(900)
    clock.now += 3_600
    assert report.line() == "Fitting genes: 1,200 of 1,200 genes, 1:01:30"


def test_work_of_an_interrupted_run_is_not_in_the_rate() -> None:
    clock = Clock()
    report = StageReport("Fitting genes", 100, "genes", clock)
    report.advance(80)
    clock.now += 30
    assert report.line() == "Fitting genes: 80 of 100 genes, 0:00:30"
    report.advance(10)
    assert report.line() == "Fitting genes: 90 of 100 genes, 0:00:30, ~0:00:30 left"


class FakeEvent(threading.Event):
    """An event whose `wait` ends when the test says so, as if that much time had passed."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float | None] = []
        self.waiting, self.passed = threading.Semaphore(0), threading.Semaphore(0)

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout)
        self.waiting.release()
        self.passed.acquire()
        return self.is_set()

    def set(self) -> None:
        super().set()
        self.passed.release()

    def pass_interval(self) -> None:
        """Return once what the end of an interval brings has been done."""
        self.waiting.acquire()
        self.passed.release()
        self.waiting.acquire()
        self.waiting.release()


def test_a_log_has_a_line_every_thirty_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    event = FakeEvent()
    monkeypatch.setattr(progress, "Event", lambda: event)
    with stage("Embedding", 4, "tiles") as advance:
        assert capsys.readouterr().err == ""
        event.pass_interval()
        assert capsys.readouterr().err.startswith("Embedding: 0 of 4 tiles, ")
        advance(3)
        assert capsys.readouterr().err == ""
        event.pass_interval()
        assert capsys.readouterr().err.startswith("Embedding: 3 of 4 tiles, ")
        advance(1)
    assert set(event.asked) == {30.0}
    (last,) = capsys.readouterr().err.splitlines()
    assert last.startswith("Embedding: 4 of 4 tiles, ")


def test_parts_of_a_unit_add_up_to_whole_ones() -> None:
    report = StageReport("Embedding", 3, "tiles", Clock())
    for _ in range(3):
        report.advance(1 / 3)
    assert report.line().startswith("Embedding: 1 of 3 tiles")
    report.advance(0.5)
    assert report.line().startswith("Embedding: 1 of 3 tiles")


def test_a_stage_of_a_job_says_which_of_how_many_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    timer = Timer(("reading", "embedding"))
    for key in ("reading", "embedding"):
        with timer.timed(key), stage("Working", 4, "tiles"):
            pass
    with stage("Working", 4, "tiles"):
        pass
    starts = [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert starts == ["[1 of 2] Working", "[2 of 2] Working", "Working"]
    assert list(timer.seconds) == ["reading", "embedding"]


def test_a_stage_that_was_not_planned_is_a_bug() -> None:
    with pytest.raises(ValueError, match="not in tuple"), Timer(("reading",)).timed("embedding"):
        pass


def test_a_terminal_shows_what_a_log_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with stage("[x] Embedding", 4, "tiles") as advance:
        advance(1)
        advance(3)
    shown = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "[x] Embedding" in shown
    assert "4 of 4 tiles, 0:00:0" in shown


def test_a_stage_that_fails_ends_its_thread_and_adds_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    before = set(threading.enumerate())
    with pytest.raises(ValueError, match="at fault"), stage("Embedding", 4, "tiles"):
        raise ValueError("at fault")
    assert capsys.readouterr().err == ""
    assert set(threading.enumerate()) <= before
