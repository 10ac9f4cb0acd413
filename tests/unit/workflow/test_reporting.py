import pytest

from congruence.core.provenance import Losses
from congruence.errors import InputError
from congruence.workflow.reporting import Silent, refuse_losses, tell_losses


class Heard(Silent):
    def __init__(self):
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


def losses(*entries):
    found = Losses()
    for where, what, why, count in entries:
        found.add(where, what, why, count)
    return found


def test_one_warning_per_reason_with_the_first_place():
    heard = Heard()
    found = losses(("a", "rows", "bad", 1), ("b", "rows", "bad", 2), ("c", "file", "gone", 1))
    assert tell_losses(found, heard) == 3
    assert heard.warnings == [
        "left out 3 rows: bad (first in a)",
        "left out 1 file: gone (in c)",
    ]


def test_only_what_is_new_is_told():
    heard = Heard()
    found = losses(("a", "rows", "bad", 1))
    told = tell_losses(found, heard)
    found.add("b", "rows", "worse", 4)
    assert tell_losses(found, heard, since=told) == 2
    assert heard.warnings[1:] == ["left out 4 rows: worse (first in b)"]
    assert tell_losses(found, heard, since=2) == 2
    assert len(heard.warnings) == 2


def test_many_reasons_are_summed_up():
    heard = Heard()
    tell_losses(losses(*((f"f{i}", "rows", f"why {i}", 20 - i) for i in range(12))), heard)
    assert len(heard.warnings) == 9
    assert heard.warnings[-1] == "left out 42 more for 4 other reasons"


def test_a_strict_job_stops():
    found = losses(("a", "rows", "bad", 7))
    refuse_losses(found, strict=False)
    refuse_losses(losses(), strict=True)
    with pytest.raises(InputError, match="7 things had to be left out") as caught:
        refuse_losses(found, strict=True)
    assert "--strict" in caught.value.hint
