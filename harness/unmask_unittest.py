"""Runs unittest test files inside the sandbox. Reads a job from stdin and writes a report to descriptor 3.

The nonce is read before any file of the workspace is loaded. Output, exit codes and errors of the candidate are not
results: only records with the nonce count.
"""

import json
import os
import sys
import threading
import unittest


def main():
    write, kill, pid, dumps = os.write, os.kill, os.getpid(), json.dumps
    job = json.loads(sys.stdin.buffer.read())
    nonce, root = job["nonce"], os.getcwd() + os.sep
    outcomes, called, current = {}, {}, [None]

    def report(record):
        write(3, (nonce + " " + dumps(record) + "\n").encode())

    def note(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(root):
            file = frame.f_code.co_filename[len(root) :].replace(os.sep, "/")
            called.setdefault(file, {}).setdefault(frame.f_code.co_name, set()).add(current[0])

    def worse(test, message):
        outcomes[test.id()] = {"passed": False, "message": message[-500:]}

    class Result(unittest.TestResult):
        def startTest(self, test):
            super().startTest(test)
            current[0] = test.id()

        def stopTest(self, test):
            current[0] = None
            super().stopTest(test)

        def addSuccess(self, test):
            outcomes.setdefault(test.id(), {"passed": True})

        def addFailure(self, test, error):
            worse(test, self._exc_info_to_string(error, test))

        def addError(self, test, error):
            worse(test, self._exc_info_to_string(error, test))

        def addSkip(self, test, reason):
            worse(test, "skipped: " + reason)

        def addExpectedFailure(self, test, error):
            worse(test, "fails as it is expected to")

        def addUnexpectedSuccess(self, test):
            worse(test, "passes where it is expected to fail")

        def addSubTest(self, test, subtest, error):
            if error is not None:
                worse(test, self._exc_info_to_string(error, test))

    report({"kind": "started"})
    if job["coverage"]:
        sys.setprofile(note)
        threading.setprofile(note)
    suite = unittest.TestSuite()
    for file in job["files"]:
        folder, name = os.path.split(file)
        # A test folder that is a package is imported from the root, any other from itself.
        top = "." if os.path.exists(os.path.join(folder, "__init__.py")) else None
        loader = unittest.TestLoader()
        suite.addTests(loader.discover(folder or ".", name, top))
        if loader.errors:
            # unittest would report a failing test. Exiting without the `finished` record makes the report incomplete.
            print("Error: " + loader.errors[0].strip().splitlines()[-1], file=sys.stderr)
            os._exit(1)
    suite.run(Result())
    sys.setprofile(None)
    for id, outcome in outcomes.items():
        report(dict(kind="test", id=id, **outcome))
    numbers = {id: number for number, id in enumerate(outcomes)}
    for file, functions in called.items():
        names = sorted(functions)
        # Calls outside of tests belong to no test.
        tests = [
            None if not functions[name] <= numbers.keys() else [numbers[id] for id in functions[name]] for name in names
        ]
        report({"kind": "coverage", "file": file, "names": names, "ends": [], "tests": tests})
    report({"kind": "finished"})
    # Killed immediately, so that no handler of the candidate runs.
    kill(pid, 9)


main()
