import pytest

from congruence.errors import ConfigError
from congruence.workflow.memory import memory_at_hand, parse_bytes

GB = 1 << 30


def machine(folder, *, available=None, groups=None):
    meminfo = folder / "meminfo"
    if available is not None:
        meminfo.write_text(f"MemTotal: 99999999 kB\nMemAvailable: {available // 1024} kB\n")
    for name, value in (groups or {}).items():
        file = folder / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")
    return memory_at_hand(cgroup=folder / "cgroup", meminfo=meminfo)


@pytest.mark.parametrize(
    ("groups", "free"),
    [
        ({}, 20),
        ({"memory.max": "max", "memory.current": 5}, 20),
        ({"memory.max": 8 * GB, "memory.current": 2 * GB}, 6),
        ({"memory/memory.limit_in_bytes": 4 * GB, "memory/memory.usage_in_bytes": GB}, 3),
        ({"memory.max": 8 * GB}, 20),
        ({"memory.max": GB, "memory.current": 2 * GB}, 0),
    ],
)
def test_the_narrowest_limit_counts(tmp_path, groups, free):
    assert machine(tmp_path, available=20 * GB, groups=groups) == int(0.7 * free * GB)


def test_without_the_kernels_word_the_whole_memory_counts(tmp_path):
    assert machine(tmp_path) > 0


@pytest.mark.parametrize(
    ("text", "size"),
    [("4G", 4e9), ("800 MB", 8e8), ("1.5t", 1.5e12), ("123", 123), ("2kB", 2000), ("3GiB", 3e9)],
)
def test_sizes_are_read(text, size):
    assert parse_bytes(text) == int(size)


@pytest.mark.parametrize("text", ["", "G", "-1G", "4X", "nan", "inf", "four"])
def test_other_words_are_no_sizes(text):
    with pytest.raises(ConfigError, match="is not a size of memory") as caught:
        parse_bytes(text)
    assert "4G" in caught.value.hint
