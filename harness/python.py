"""Runs the tests of one candidate inside the sandbox. Reads a job from stdin and writes a report to descriptor 3.

The nonce is read and the tests are compiled before the candidate is loaded. Output, exit codes and errors of the
candidate are not results: only records with the nonce count.
"""

import json
import os
import sys


def main():
    write, kill, pid, dumps = os.write, os.kill, os.getpid(), json.dumps
    job = json.loads(sys.stdin.buffer.read())
    nonce, entry = job["nonce"], job["entry"]

    def report(record):
        write(3, (nonce + " " + dumps(record) + "\n").encode())

    def outcome(body):
        try:
            body()
            return {"passed": True}
        except BaseException as error:  # noqa: B902 - a candidate may raise SystemExit
            return {"passed": False, "message": message_of(error)}

    def message_of(error):
        try:
            return (type(error).__name__ + ": " + str(error))[:500]
        except BaseException:
            return "an error that cannot be read"

    tests = compile(job["tests"], "tests", "exec")
    report({"kind": "started"})

    candidate = {"__name__": "candidate"}
    exec(compile(job["candidate"], "candidate", "exec"), candidate)
    names = dict(candidate, __name__="tests")
    before = dict(names)

    def everything():
        exec(tests, names)
        if callable(names.get("check")) and names.get("check") is not before.get("check"):
            names["check"](candidate[entry])

    whole = outcome(everything)
    # Only functions that the tests define: a candidate cannot add tests by defining functions named test_….
    registered = [
        name
        for name, value in names.items()
        if name.startswith("test_") and callable(value) and value is not before.get(name)
    ]
    # Plain assertions without test functions count as one test, which passes if they all run.
    if not registered or not whole["passed"]:
        report(dict(kind="test", id="all", **whole))
    for name in registered if whole["passed"] else []:
        report(dict(kind="test", id=name, **outcome(names[name])))
    report({"kind": "finished"})
    # Killed immediately, so that no handler of the candidate runs.
    kill(pid, 9)


main()
