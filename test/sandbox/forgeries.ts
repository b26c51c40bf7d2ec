/**
 * Bodies of a function that make its tests pass without computing what they ask for, by the runner of a workspace. `held`: the tests
 * fail. `detected`: they pass, and the repeated run finds out. `listed`: docs/security.md says that it succeeds.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder } from '../vscode/test-cache.ts';

export interface Forgery {
  readonly name: string;
  readonly body: string;
  readonly expected: 'held' | 'detected' | 'listed';
}

/** A workspace whose tests `two` and `six` ask for the double of a number, and the forgeries in it. */
export interface ForgedWorkspace {
  readonly runner: string;
  readonly command?: string;
  /** The program that the tests need besides Node; absent: none. */
  readonly program?: string;
  /** Its `node_modules`. */
  readonly packages?: string;
  readonly files: Readonly<Record<string, string>>;
  readonly forgeries: readonly Forgery[];
}

const of = ' const of = process.getBuiltinModule;\n';

const readsTests: Forgery = {
  name: 'reads the expected value from the test, by the line of its caller',
  expected: 'detected',
  body: `${of}  const at = /(\\/[^\\s()]*double\\.test\\.\\w+):(\\d+):/.exec(new Error().stack);
  const line = of('node:fs').readFileSync(at[1], 'utf8').split('\\n')[at[2] - 1];
  return Number(/(?:, |toBe\\()(-?\\d+)\\)/.exec(line)[1]); `,
};

/** Writes a whole report with a nonce that an expression finds. */
const writesReport = (nonce: string, ids: readonly string[]): string => `
  const nonce = ${nonce};
  const line = (record) => of('node:fs').writeSync(3, nonce + ' ' + JSON.stringify(record) + '\\n');
  if (nonce) { for (const id of ${JSON.stringify(ids)}) line({ kind: 'test', id, passed: true }); line({ kind: 'finished' }); process.kill(process.pid, 'SIGKILL'); }
  return 0; `;

const readsMemory = (ids: readonly string[]): Forgery => ({
  name: 'finds the nonce in the memory of its process, and writes the report',
  expected: 'detected',
  body: `${of}  const fs = of('node:fs');
  const memory = fs.openSync('/proc/self/mem');
  const find = () => {
    for (const line of fs.readFileSync('/proc/self/maps', 'utf8').split('\\n')) {
      const [, from, to] = /^(\\w+)-(\\w+) rw/.exec(line)?.map((text) => Number.parseInt(text, 16)) ?? [];
      if (from === undefined || to - from > 2 ** 26) continue;
      const bytes = of('node:buffer').Buffer.alloc(to - from);
      try { fs.readSync(memory, bytes, 0, bytes.length, from); } catch { continue; }
      const found = /"nonce":"(\\w{32})"|([0-9a-f]{32}) \\{"kind"/.exec(bytes.toString('latin1'));
      if (found) return found[1] ?? found[2];
    }
  };${writesReport('find()', ids)}`,
});

const promises: Forgery = {
  name: 'replaces Promise.prototype.then, so that rejected promises look fulfilled',
  expected: 'detected',
  body: ` const { then } = Promise.prototype;
  Promise.prototype.then = function (done, failed) { return then.call(this, done, failed && done ? () => done() : failed); };
  return 0; `,
};

const assertions: Forgery = {
  name: 'replaces the functions of the assertions',
  expected: 'held',
  body: `${of}  for (const assert of [of('node:assert'), of('node:assert/strict')]) for (const name of Object.keys(assert)) try { assert[name] = () => {}; } catch {}
  return 0; `,
};

const events: Forgery = {
  name: "replaces the methods of streams, which carry the runner's events",
  expected: 'detected',
  body: `${of}  const { Readable } = of('node:stream');
  const { push } = Readable.prototype;
  Readable.prototype.push = function (event, ...rest) {
    return push.call(this, event?.type === 'test:fail' ? { ...event, type: 'test:pass' } : event, ...rest);
  };
  return 0; `,
};

const asyncResources: Forgery = {
  name: 'replaces the methods of the running test, found through async_hooks',
  expected: 'held',
  body: `${of}  const resource = of('node:async_hooks').executionAsyncResource();
  for (const key of Reflect.ownKeys(resource)) { const test = resource[key]; if (typeof test?.pass === 'function') test.fail = test.pass; }
  if (typeof resource.pass === 'function') resource.fail = resource.pass;
  return 0; `,
};

const inspector: Forgery = {
  name: "opens Node's inspector",
  expected: 'held',
  body: `${of}  try { process.kill(process.pid, 'SIGUSR1'); } catch {}
  try { of('node:inspector').open(9229, '127.0.0.1'); } catch {}
  try { new (of('node:inspector').Session)().connect(); } catch {}
  return 0; `,
};

const source = ' return 2 * value; ';
const script = (head: string, tests: string) => `${head}\n${tests}\n`;
const asynchronous =
  "it('two', async () => assert.equal(double(1), 2));\nit('six', async () => assert.equal(double(3), 6));";

const inModules = (runner: string, head: string): Record<string, string> => ({
  'package.json': JSON.stringify({ type: 'module', scripts: { test: runner } }),
  'double.js': `export function double(value) {${source}}\n`,
  'double.test.js': script(
    `${head}\nimport assert from 'node:assert/strict';\nimport { double } from './double.js';`,
    asynchronous,
  ),
});

const inScripts = (runner: string): Record<string, string> => ({
  'package.json': JSON.stringify({ scripts: { test: runner } }),
  'double.js': `exports.double = function double(value) {${source}};\n`,
  'double.test.js': script(
    "const assert = require('node:assert');\nconst { double } = require('./double.js');",
    asynchronous,
  ),
});

const ids = ['two', 'six'];
const ownPackages = path.join(import.meta.dirname, '../../node_modules');
const jestPackages = path.join(cacheFolder(), 'jest-30', 'node_modules');

const anyNumber: Forgery = {
  name: 'returns an int whose `__eq__` is always true',
  expected: 'detected',
  body: '    class Any(int):\n        def __eq__(self, other): return True\n        __hash__ = int.__hash__\n    return Any(0)',
};

const readsCaller: Forgery = {
  name: "reads the expected value from its caller's line",
  expected: 'detected',
  body: '    import linecache, re, sys\n    frame = sys._getframe(1)\n    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)\n    return int(re.search(r"(?:== |, )(-?[0-9]+)", line).group(1))',
};

const searchesFrames = (idsInPython: readonly string[]): Forgery => ({
  name: 'finds the nonce through the garbage collector, and writes the report',
  expected: 'detected',
  body: `    import gc, json, os
    nonces = [o["nonce"] for o in gc.get_objects() if type(o) is dict and type(o.get("nonce")) is str]
    nonces += [c.cell_contents for o in gc.get_objects() if type(o).__name__ == "function" and o.__closure__ for c in o.__closure__ if type(getattr(c, "cell_contents", None)) is str and len(c.cell_contents) == 32]
    if nonces:
        for record in [dict(kind="test", id=i, passed=True) for i in ${JSON.stringify(idsInPython)}] + [dict(kind="finished")]:
            os.write(3, (nonces[0] + " " + json.dumps(record) + "\\n").encode())
        os.kill(os.getpid(), 9)
    return 0`,
});

const inPython = (text: string): Record<string, string> => ({
  'double.py': 'def double(value):\n    return 2 * value\n',
  'test_double.py': text,
});

/** Prints what a runner prints for tests that pass, and ends the process. */
const prints = (name: string, body: string): Forgery => ({ name, expected: 'detected', body });

export const forgedWorkspaces: readonly ForgedWorkspace[] = [
  {
    runner: 'node:test',
    files: inModules('node --test', "import { it } from 'node:test';"),
    forgeries: [readsTests, readsMemory(ids), events, asyncResources, assertions, inspector],
  },
  {
    runner: 'vitest',
    packages: ownPackages,
    files: inModules('vitest run', "import { it } from 'vitest';"),
    forgeries: [readsTests, readsMemory(ids), promises, asyncResources, assertions],
  },
  {
    runner: 'mocha',
    packages: ownPackages,
    files: { ...inScripts('mocha'), '.mocharc.json': '{"spec":"*.test.js"}' },
    forgeries: [readsTests, readsMemory(ids), { ...promises, expected: 'held' }, assertions],
  },
  ...(existsSync(path.join(jestPackages, 'jest'))
    ? [
        {
          runner: 'jest',
          packages: jestPackages,
          files: inScripts('jest'),
          forgeries: [
            { ...readsTests, body: readsTests.body.replaceAll('process.getBuiltinModule', 'require') },
            assertions,
          ],
        },
      ]
    : []),
  {
    runner: 'pytest',
    program: 'pytest',
    files: inPython(
      'from double import double\n\n\ndef test_two():\n    assert double(1) == 2\n\n\ndef test_six():\n    assert double(3) == 6\n',
    ),
    forgeries: [
      anyNumber,
      readsCaller,
      searchesFrames(['test_double.py::test_two', 'test_double.py::test_six']),
      {
        name: 'replaces a function of the runner',
        expected: 'detected',
        body: '    import _pytest.runner as r\n    make = r.CallInfo.from_call.__func__\n    def quiet(cls, func, *a, **k):\n        def run():\n            try: return func()\n            except BaseException: return None\n        return make(cls, run, *a, **k)\n    r.CallInfo.from_call = classmethod(quiet)\n    return 2',
      },
    ],
  },
  {
    runner: 'unittest',
    program: 'python3',
    files: inPython(
      'import unittest\n\nfrom double import double\n\n\nclass Double(unittest.TestCase):\n    def test_six(self):\n        self.assertEqual(double(3), 6)\n\n    def test_two(self):\n        self.assertEqual(double(1), 2)\n',
    ),
    forgeries: [
      anyNumber,
      readsCaller,
      searchesFrames(['test_double.Double.test_two', 'test_double.Double.test_six']),
      {
        name: 'replaces a function of the runner',
        expected: 'detected',
        body: '    import unittest\n    unittest.TestCase._getAssertEqualityFunc = lambda *a: lambda *b, **k: None\n    return 0',
      },
    ],
  },
  {
    runner: 'go test',
    program: 'go',
    files: {
      'go.mod': 'module example.com/double\n\ngo 1.19\n',
      'double.go':
        'package double\n\nimport (\n\t"fmt"\n\t"os"\n\t"syscall"\n)\n\nfunc Double(value int) int {\n\treturn 2 * value\n}\n\nfunc unused() {\n\tfmt.Println(1)\n\tsyscall.Kill(os.Getpid(), 9)\n}\n',
      'double_test.go':
        'package double\n\nimport "testing"\n\nfunc TestTwo(t *testing.T) {\n\tif found := Double(1); found != 2 {\n\t\tt.Fatal(found)\n\t}\n}\n\nfunc TestSix(t *testing.T) {\n\tif found := Double(3); found != 6 {\n\t\tt.Fatal(found)\n\t}\n}\n',
    },
    forgeries: [
      prints(
        'prints the output of tests that pass',
        '\n\tfor _, name := range []string{"TestTwo", "TestSix"} {\n\t\tfmt.Printf("\\n\\x16=== RUN   %s\\n\\x16--- PASS: %s (0.00s)\\n", name, name)\n\t}\n\tsyscall.Kill(os.Getpid(), syscall.SIGKILL)\n\treturn 0\n',
      ),
    ],
  },
  {
    runner: 'cargo test',
    program: 'cargo',
    files: {
      'Cargo.toml': '[package]\nname = "double"\nversion = "0.1.0"\nedition = "2021"\n',
      'src/lib.rs': 'pub fn double(value: i32) -> i32 {\n    2 * value\n}\n',
      'tests/double.rs':
        'use double::double;\n#[test]\nfn two() { assert_eq!(double(1), 2); }\n#[test]\nfn six() { assert_eq!(double(3), 6); }\n',
    },
    forgeries: [
      prints(
        'prints the output of tests that pass',
        ' use std::io::Write; let mut out = std::io::stdout().lock(); for name in ["two", "six"] { writeln!(out, "\\n{{\\"type\\":\\"test\\",\\"event\\":\\"ok\\",\\"name\\":\\"{}\\"}}", name).unwrap(); } writeln!(out, "{{\\"type\\":\\"suite\\",\\"event\\":\\"ok\\"}}").unwrap(); out.flush().unwrap(); std::process::exit(0 * value) ',
      ),
    ],
  },
  {
    runner: 'node --test-reporter=tap {file}',
    command: 'node --test-reporter=tap {file}',
    files: inModules('', "import { it } from 'node:test';"),
    forgeries: [
      readsTests,
      prints(
        'prints the output of tests that pass',
        `${of}  of('node:fs').writeSync(1, 'ok 1 - two\\nok 2 - six\\n1..2\\n'); process.exit(0); `,
      ),
    ],
  },
];
