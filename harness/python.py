"""Runs the tests of one candidate, inside of the sandbox: a job on stdin, a report on descriptor 3.

The nonce is read and the tests are compiled before the candidate is loaded. What the candidate writes, exits with or
throws is no result: only what is reported here with the nonce is.
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
    # What the tests define; a candidate that calls a function test_… adds none.
    registered = [
        name
        for name, value in names.items()
        if name.startswith("test_") and callable(value) and value is not before.get(name)
    ]
    # Tests that are plain assertions are one test: that they ran to their end.
    if not registered or not whole["passed"]:
        report(dict(kind="test", id="all", **whole))
    for name in registered if whole["passed"] else []:
        report(dict(kind="test", id=name, **outcome(names[name])))
    report({"kind": "finished"})
    # At once: no handler of the candidate's runs any more.
    kill(pid, 9)


main()
