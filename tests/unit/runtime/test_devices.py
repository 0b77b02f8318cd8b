"""RAM and GPUs, on a folder that looks like a kernel's and a driver that looks like NVIDIA's."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.runtime.residency import devices
from services.runtime.residency.devices import SHARE, Devices, Gpus
from services.runtime.residency.placement import CPU, CUDA
from services.runtime.residency.ram import Ram

MACHINE = (16_000, 9_000)


class NVMLError(Exception):
    """What every function of NVML raises."""


@dataclass
class Card:
    """A GPU, and the handle and the memory information that NVML would give for it."""

    total: int
    free: int
    uuid: str = "GPU-x"
    cut: bool | None = None
    lost: bool = False


@dataclass
class Driver:
    """NVML's functions over some cards; without cards there is no driver."""

    cards: list[Card] = field(default_factory=list)
    NVMLError = NVMLError
    NVML_DEVICE_MIG_ENABLE = 1
    inits: int = 0

    def nvmlInit(self) -> None:
        self.inits += 1
        if not self.cards:
            raise NVMLError("Driver Not Loaded")

    def nvmlDeviceGetCount(self) -> int:
        if all(card.lost for card in self.cards):
            raise NVMLError("GPU is lost")
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Card:
        return self.cards[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Card:
        for card in self.cards:
            if card.uuid == uuid:
                return card
        raise NVMLError("Not Found")

    def nvmlDeviceGetMigMode(self, handle: Card) -> list[int]:
        if handle.cut is None:
            raise NVMLError("Not Supported")
        return [int(handle.cut), 0]

    def nvmlDeviceGetMemoryInfo(self, handle: Card) -> Card:
        if handle.lost:
            raise NVMLError("GPU is lost")
        return handle


def groups(
    folder: Path, line: str, files: dict[str, str], machine: tuple[int, int] = MACHINE
) -> Ram:
    (folder / "cgroup").write_text(line)
    for name, text in files.items():
        (folder / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "fs" / name).write_text(text)
    return Ram(folder / "cgroup", folder / "fs", lambda: machine)


def test_without_control_groups_the_machine_is_the_limit(tmp_path: Path) -> None:
    ram = Ram(tmp_path / "none", tmp_path, lambda: MACHINE)
    assert (ram.total(), ram.free()) == MACHINE


def test_the_limit_of_a_container_counts_and_cached_files_are_free(tmp_path: Path) -> None:
    ram = groups(
        tmp_path,
        "0::/\n",
        {
            "memory.max": "4000\n",
            "memory.current": "3000\n",
            "memory.stat": "anon 2000\ninactive_file 800\nactive_file 200\nfile_mapped 50\n",
        },
    )
    assert (ram.total(), ram.free()) == (4000, 1950)


def test_weights_that_were_loaded_again_and_again_do_not_count_once_they_are_unloaded(
    tmp_path: Path,
) -> None:
    def free(mapped: int) -> int:
        files = {
            "memory.max": "6000",
            "memory.current": "4500",
            "memory.stat": f"anon 500\ninactive_file 0\nactive_file 4000\nfile_mapped {mapped}\n",
        }
        return groups(tmp_path, "0::/\n", files).free()

    assert (free(mapped=4000), free(mapped=0)) == (1500, 5500)


def test_a_group_above_limits_too(tmp_path: Path) -> None:
    files: dict[str, str] = {}
    for folder, limit, usage in (("a/b", "max", 10), ("a", "5000", 4900)):
        files |= {
            f"{folder}/memory.max": limit,
            f"{folder}/memory.current": str(usage),
            f"{folder}/memory.stat": "inactive_file 0\n",
        }
    ram = groups(tmp_path, "0::/a/b\n", files)
    assert (ram.total(), ram.free()) == (5000, 100)


def test_version_1_and_a_path_that_only_the_host_has(tmp_path: Path) -> None:
    ram = groups(
        tmp_path,
        "5:devices:/x\n4:memory:/docker/abc\n0::/x\n",
        {
            "memory/memory.limit_in_bytes": "6000\n",
            "memory/memory.usage_in_bytes": "1000\n",
            "memory/memory.stat": "cache 500\ntotal_inactive_file 400\ntotal_active_file 100\n",
        },
    )
    assert (ram.total(), ram.free()) == (6000, 5500)


def test_version_1_says_no_limit_with_a_number(tmp_path: Path) -> None:
    ram = groups(
        tmp_path,
        "4:memory:/\n",
        {
            "memory/memory.limit_in_bytes": "9223372036854771712\n",
            "memory/memory.usage_in_bytes": "1000\n",
            "memory/memory.stat": "total_inactive_file 400\n",
        },
    )
    assert (ram.total(), ram.free()) == MACHINE


def test_the_machine_may_have_less_than_the_group_allows(tmp_path: Path) -> None:
    files = {"memory.max": "8000", "memory.current": "10", "memory.stat": ""}
    ram = groups(tmp_path, "0::/\n", files, machine=(16_000, 700))
    assert ram.free() == 700


def test_more_in_use_than_allowed_is_nothing_free(tmp_path: Path) -> None:
    files = {"memory.max": "800", "memory.current": "900", "memory.stat": ""}
    assert groups(tmp_path, "0::/\n", files).free() == 0


def test_a_group_that_does_not_say_what_it_uses_sets_no_bound(tmp_path: Path) -> None:
    assert groups(tmp_path, "0::/\n", {"memory.max": "800"}).free() == MACHINE[1]


def here(*cards: Card, visible: str | None = None, ram: Path = Path("nowhere")) -> Devices:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    return Devices(Ram(ram, ram, lambda: MACHINE), Gpus(Driver(list(cards)), environment))


def test_without_a_driver_there_is_only_ram() -> None:
    assert here().free() == {CPU: 9_000}
    assert here().capacity({}) == {CPU: int(16_000 * SHARE[CPU])}


def test_gpus_are_named_in_order() -> None:
    machine = here(Card(1000, 400), Card(2000, 2000))
    assert machine.free() == {CPU: 9_000, "cuda:0": 400, "cuda:1": 2000}
    assert machine.used() == {"cuda:0": 600, "cuda:1": 0}
    assert machine.capacity({})["cuda:1"] == int(2000 * SHARE[CUDA])


def test_a_budget_replaces_what_was_measured_and_zero_does_not() -> None:
    machine = here(Card(1000, 400))
    budgets = {CPU: 0, "cuda:0": 300, "cuda:7": 5}
    assert machine.capacity(budgets) == {CPU: int(16_000 * SHARE[CPU]), "cuda:0": 300}
    assert machine.capacity({CPU: 123})[CPU] == 123


def test_a_gpu_that_is_cut_or_lost_is_left_out_and_the_others_keep_their_names() -> None:
    cards = [Card(1, 1, cut=True), Card(2, 2, cut=False), Card(3, 3, lost=True), Card(4, 4)]
    assert here(*cards).free() == {CPU: 9_000, "cuda:1": 2, "cuda:3": 4}


def test_a_driver_that_fails_later_leaves_the_ram() -> None:
    card = Card(1000, 400)
    machine = here(card)
    assert "cuda:0" in machine.free()
    card.lost = True
    assert machine.free() == {CPU: 9_000}


@pytest.mark.parametrize(
    ("visible", "free"),
    [
        ("1", {"cuda:0": 20}),
        ("2, 0", {"cuda:0": 30, "cuda:1": 10}),
        ("GPU-b", {"cuda:0": 20}),
        ("0,9,1", {"cuda:0": 10}),
        ("", {}),
        ("-1", {}),
        ("GPU-none", {}),
    ],
)
def test_gpus_are_numbered_as_cuda_shows_them(visible: str, free: dict[str, int]) -> None:
    cards = [Card(99, 10, "GPU-a"), Card(99, 20, "GPU-b"), Card(99, 30, "GPU-c")]
    assert here(*cards, visible=visible).free() == {CPU: 9_000, **free}


def test_the_driver_is_asked_to_start_once() -> None:
    driver = Driver([Card(1, 1)])
    gpus = Gpus(driver, {})
    gpus.memory()
    gpus.memory()
    assert driver.inits == 1


def test_this_machine_has_ram() -> None:
    assert devices.capacity({})[CPU] > 0
    assert devices.free()[CPU] > 0
    assert devices.capacity({CPU: 5})[CPU] == 5
