"""What is kept of prepared pictures, and what has to go."""

from __future__ import annotations

from lib_indetail.kept.cache import Cache


def test_the_least_recently_used_goes_first():
    cache = Cache(lambda: 30)
    for key in "abc":
        cache.put(key, key.upper(), 10)
    assert cache.get("a") == "A"
    cache.put("d", "D", 10)
    assert [cache.get(key) for key in "abcd"] == ["A", None, "C", "D"]


def test_it_never_holds_more_than_its_budget():
    cache = Cache(lambda: 100)
    for i in range(1000):
        cache.put(i, i, 7 + i % 50)
        assert cache.bytes <= 100


def test_what_is_larger_than_the_budget_is_not_kept_and_drives_nothing_out():
    cache = Cache(lambda: 10)
    cache.put("small", 1, 10)
    cache.put("large", 2, 11)
    assert cache.get("large") is None
    assert cache.get("small") == 1


def test_a_budget_of_zero_keeps_nothing():
    cache = Cache(lambda: 0)
    cache.put("a", 1, 1)
    assert len(cache) == 0


def test_a_smaller_budget_holds_from_the_next_entry_on():
    budget = [100]
    cache = Cache(lambda: budget[0])
    for i in range(10):
        cache.put(i, i, 10)
    budget[0] = 20
    cache.put("new", 1, 10)
    assert (len(cache), cache.bytes, cache.get("new")) == (2, 20, 1)


def test_putting_again_replaces_value_and_size():
    cache = Cache(lambda: 100)
    cache.put("a", 1, 60)
    cache.put("a", 2, 10)
    assert (cache.get("a"), cache.bytes) == (2, 10)


def test_trimming_holds_a_smaller_budget_at_once():
    budget = [100]
    cache = Cache(lambda: budget[0])
    for i in range(10):
        cache.put(i, i, 10)
    for budget[0], left in ((25, [8, 9]), (25, [8, 9]), (0, [])):
        cache.trim()
        assert cache.keys() == left
