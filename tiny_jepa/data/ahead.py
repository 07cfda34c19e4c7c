"""Work on data that other processes do ahead of its use."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from torch.utils.data import DataLoader, Dataset

from tiny_jepa.errors import UserError
from tiny_jepa.processes import end_with_parent

Item = TypeVar("Item")
Done = TypeVar("Done")


class _Work(Dataset):
    def __init__(self, do: Callable[[Any], Any], items: Sequence[Any]) -> None:
        self.do, self.items = do, items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        try:
            return self.do(self.items[index])
        except UserError as error:
            return error  # raised where it is one sentence: a loader would wrap it up


def work_ahead(do: Callable[[Item], Done], items: Sequence[Item], workers: int) -> Iterator[Done]:
    """`do(item)` of each item, in order, by `workers` forked processes of one thread each (0: by this process, when
    asked).

    `do` returns tensors, on the CPU, and looks at its item alone: so the results are the same whatever `workers` is.

    Raises:
        UserError: one that `do` raised.
    """
    if not workers:
        yield from map(do, items)
        return
    loader = DataLoader(
        _Work(do, items),
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="fork",
        worker_init_fn=lambda _: end_with_parent(),  # whose run folder it would hold else
    )
    for done in loader:
        if isinstance(done, UserError):
            raise done
        yield done
