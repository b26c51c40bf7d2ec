"""Reports the results of pytest inside the sandbox. Reads a job from stdin and writes a report to descriptor 3.

This plugin (-p unmask_pytest) is loaded before any file of the workspace, so the nonce is read before candidate code
runs. Output, exit codes and errors of the candidate are not results: only records with the nonce count.
"""

import json
import os
import sys
import threading

import pytest


def plugin():
    write, kill, pid, dumps = os.write, os.kill, os.getpid(), json.dumps
    job = json.loads(sys.stdin.buffer.read())
    nonce, root = job["nonce"], os.getcwd() + os.sep
    # pytest captures the usual descriptor.
    stderr = os.dup(2)
    phases, called, collected, current = {}, {}, [], [None]

    def report(record):
        write(3, (nonce + " " + dumps(record) + "\n").encode())

    def note(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(root):
            file = frame.f_code.co_filename[len(root) :].replace(os.sep, "/")
            called.setdefault(file, {}).setdefault(frame.f_code.co_name, set()).add(current[0])

    report({"kind": "started"})
    if job["coverage"]:
        sys.setprofile(note)
        threading.setprofile(note)

    class Plugin:
        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_logreport(self, report: pytest.TestReport):
            seen = phases.setdefault(report.nodeid, {"passed": True, "called": False, "message": ""})
            if report.when == "call" and report.outcome == "passed" and not hasattr(report, "wasxfail"):
                seen["called"] = True
            if report.outcome != "passed" or hasattr(report, "wasxfail"):
                seen["passed"] = False
                skipped = report.outcome == "skipped" and isinstance(report.longrepr, tuple)
                said = report.longrepr[2].replace("Skipped:", "skipped:", 1) if skipped else report.longrepr
                seen["message"] = str(said or report.outcome)[-500:]

        def pytest_collectreport(self, report: pytest.CollectReport):
            if report.failed:
                lines = str(report.longrepr).strip().splitlines()
                errors = [line[1:].strip() for line in lines if line.startswith("E ")]
                collected.append((errors or lines[-1:] or ["the file cannot be loaded"])[-1])

        # Describing a failure takes many calls, of which none is the workspace's.
        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_makereport(self):
            profile = sys.getprofile()
            sys.setprofile(None)
            yield
            sys.setprofile(profile)

        # Fixtures may be shared by tests, so only the calls of its function are those of a test.
        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_call(self, item):
            current[0] = item.nodeid
            yield
            current[0] = None

        @pytest.hookimpl(trylast=True)
        def pytest_sessionfinish(self, session):
            sys.setprofile(None)
            if collected:
                # pytest would report no tests. Ending without the `finished` record makes the report incomplete.
                write(stderr, ("\nError: " + collected[0] + "\n").encode())
                kill(pid, 9)
            numbers = {nodeid: number for number, nodeid in enumerate(phases)}
            for nodeid, seen in phases.items():
                passed = seen["passed"] and seen["called"]
                message = {} if passed else {"message": seen["message"]}
                report(dict(kind="test", id=nodeid, passed=passed, **message))
            for file, functions in called.items():
                names = sorted(functions)
                # Calls outside of tests belong to no test.
                tests = [None if None in functions[name] else [numbers[id] for id in functions[name]] for name in names]
                report({"kind": "coverage", "file": file, "names": names, "ends": [], "tests": tests})
            report({"kind": "finished"})
            # Killed immediately, so that no handler of the candidate runs.
            kill(pid, 9)

    return Plugin()


@pytest.hookimpl(hookwrapper=True)
def pytest_load_initial_conftests(early_config):
    # A threshold of coverage (pytest-cov) says nothing about a test.
    if getattr(early_config.known_args_namespace, "cov_source", None):
        early_config.known_args_namespace.cov_source = []
    yield


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    # Workers (pytest-xdist) are processes without the report's descriptor, and every test must be reported.
    for name, value in (("numprocesses", None), ("dist", "no"), ("tx", []), ("maxfail", 0)):
        if hasattr(config.option, name):
            setattr(config.option, name, value)
    # The source lines of other styles are slow to collect, and only the end of a message is reported.
    config.option.tbstyle = "native"
    config.pluginmanager.register(the_plugin)


the_plugin = plugin()
