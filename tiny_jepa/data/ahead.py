"""Work on data that other processes do ahead of its use."""

from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_all_start_methods
from typing import Any, TypeVar

from torch.utils.data import DataLoader

from tiny_jepa.errors import UserError
from tiny_jepa.processes import end_with_parent

Item = TypeVar("Item")
Done = TypeVar("Done")


def work_ahead(do: Callable[[Item], Done], items: Sequence[Item], workers: int) -> Iterator[Done]:
    """`do(item)` of each item, in order, by `workers` forked processes of one thread each; by this process, when asked,
    if there are none or none can be forked.

    `do` returns tensors, on the CPU, and looks at its item alone: so the results are the same whatever `workers` is.
    """

    def attempt(item: Item) -> Done | UserError:
        try:
            return do(item)
        except UserError as error:
            return error  # raised where it is one sentence: a loader would wrap it up

    if not workers or "fork" not in get_all_start_methods():
        yield from map(do, items)
        return
    loader: Any = DataLoader(
        items,  # type: ignore[arg-type]
        batch_size=None,
        collate_fn=attempt,  # type: ignore[arg-type]
        num_workers=workers,
        multiprocessing_context="fork",
        worker_init_fn=lambda _: end_with_parent(),  # whose run folder it would hold else
    )
    for done in loader:
        if isinstance(done, UserError):
            raise done
        yield done
