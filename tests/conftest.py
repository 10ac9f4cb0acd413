"""Golden tests are counted, and where the shared data are, none may be skipped."""

import os

import pytest
from sharedpaths import DATA

# Tests that want a cache of coordinates name a folder of their own.
os.environ["CONGRUENCE_CACHE"] = "off"


def golden(reports):
    return [r for r in reports if "golden" in getattr(r, "keywords", ())]


def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    ran = [r for kind in ("passed", "failed") for r in golden(stats.get(kind, []))]
    skipped = golden(stats.get("skipped", []))
    if ran or skipped:
        terminalreporter.write_line(f"golden tests: {len(ran)} ran, {len(skipped)} skipped")
        if DATA.is_dir():
            for report in skipped:
                terminalreporter.write_line(
                    f"  skipped although the data are here: {report.nodeid}"
                )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not DATA.is_dir():
        return
    if golden(reporter.stats.get("skipped", [])) and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
