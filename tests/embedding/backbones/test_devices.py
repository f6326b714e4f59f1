"""Work side by side: each piece by one thread, as many at once as PyTorch may use."""

import threading
from collections.abc import Iterator

import pytest
import torch

from haploscribe.embedding.backbones.devices import each_by_one_thread


@pytest.fixture(autouse=True)
def threads_put_back() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("allowed", [1, 2, 3])
def test_results_come_in_order(allowed: int) -> None:
    torch.set_num_threads(allowed)
    assert each_by_one_thread(lambda number: number**2, range(20)) == [number**2 for number in range(20)]


@pytest.mark.parametrize("n_items", [1, 8])
def test_each_item_has_one_thread(n_items: int) -> None:
    torch.set_num_threads(2)
    assert each_by_one_thread(lambda _: torch.get_num_threads(), range(n_items)) == [1] * n_items


def test_as_many_work_at_once_as_are_allowed() -> None:
    torch.set_num_threads(3)
    together = threading.Barrier(3)
    each_by_one_thread(lambda _: together.wait(timeout=10), range(3))  # fewer would break the barrier


def test_one_thread_is_the_callers_own() -> None:
    torch.set_num_threads(1)
    assert set(each_by_one_thread(lambda _: threading.get_ident(), range(3))) == {threading.get_ident()}


def test_the_number_of_threads_is_put_back() -> None:
    torch.set_num_threads(2)
    before = torch.__config__.parallel_info()  # OpenMP's number and MKL's
    each_by_one_thread(lambda number: torch.randn(9, 9) @ torch.randn(9, 9), range(4))
    assert torch.__config__.parallel_info() == before


def test_an_error_comes_out_and_the_number_of_threads_is_put_back() -> None:
    torch.set_num_threads(2)
    with pytest.raises(ZeroDivisionError):
        each_by_one_thread(lambda number: 1 // number, range(4))
    assert torch.get_num_threads() == 2
