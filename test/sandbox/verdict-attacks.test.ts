import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { judge } from '../../src/tasks/code/judge.ts';
import { candidateProgram } from '../../src/tasks/code/program.ts';
import { type CodeRow, codeRow } from '../../src/tasks/code/row.ts';
import { verdictOf } from '../../src/workspace/harness-report.ts';
import { passRate, type Verdict } from '../../src/workspace/verdict.ts';
import { type CleanMachine, cleanMachine } from './clean-machine.ts';

const typescript = codeRow({
  prompt: 'export function double(value: number): number {\n',
  tests: "test('two', () => assert.equal(double(1), 2));\ntest('six', async () => assert.deepEqual([double(3)], [6]));",
  language: 'typescript',
});
const python = codeRow({
  prompt: 'def double(value):\n',
  tests: 'def test_two():\n    assert double(1) == 2\ndef test_six():\n    assert double(3) == 6\n',
  language: 'python',
});

/** A row as in HumanEval's JavaScript version: the assertion is on `console`, and uses built-in objects. */
const javascript = codeRow({
  prompt: 'export function double(value) {\n',
  tests:
    'console.assert(JSON.stringify(double([3])) === JSON.stringify([6]));\nconsole.assert(new TextEncoder().encode(double(1)).length === 1);',
  language: 'javascript',
});

const right = {
  typescript: '  return 2 * value;\n}\n',
  javascript: '  return typeof value === "number" ? String(2 * value) : value.map((one) => 2 * one);\n}\n',
  python: '    return 2 * value\n',
};

let machine: CleanMachine;
let home: string;
const homeBefore = process.env.UNMASK_HOME;
before(async () => {
  // Verdicts of an earlier run must not be reused.
  home = await mkdtemp(path.join(tmpdir(), 'unmask-verdicts-'));
  process.env.UNMASK_HOME = home;
  machine = await cleanMachine();
});
after(async () => {
  await machine.leave();
  if (homeBefore === undefined) delete process.env.UNMASK_HOME;
  else process.env.UNMASK_HOME = homeBefore;
  await rm(home, { recursive: true });
});

/** A short limit, for candidates that hang. */
const limits = { seconds: 8, cpuSeconds: 2, memoryMiB: 768 };

function candidate(row: CodeRow, completion: string) {
  return { row, source: candidateProgram(row, completion, 'plain')?.source ?? null };
}

async function verdictOn(row: CodeRow, completion: string): Promise<Verdict> {
  const [verdict] = await judge([candidate(row, completion)], { limits });
  return verdict as Verdict;
}

/**
 * Asserts that every hostile completion scores 0, that the failure is attributed to the completion and not to the
 * infrastructure, that the completion leaves nothing behind, and that a correct completion passes afterwards. Each
 * completion is different, so that no cached verdict is used.
 */
function assertAllFail(row: CodeRow, attacks: Readonly<Record<string, string>>): void {
  const mark = row.language === 'python' ? '#' : '//';
  const good = right[row.language as keyof typeof right];
  let verdicts: Verdict[];
  before(async () => {
    const items = Object.values(attacks).flatMap((completion, index) => [
      candidate(row, completion),
      candidate(row, `${good}${mark} ${index}\n`),
    ]);
    verdicts = await judge(items, { limits });
  });
  for (const [index, name] of Object.keys(attacks).entries())
    it(name, () => {
      const [verdict, next] = verdicts.slice(2 * index, 2 * index + 2) as [Verdict, Verdict];
      assert.notEqual(verdict.outcome, 'broken', JSON.stringify(verdict));
      assert.equal(passRate(verdict), 0, JSON.stringify(verdict));
      assert.equal(passRate(next), 1, `the sample after it: ${JSON.stringify(next)}`);
    });
  it('leaves nothing behind', () => machine.assertClean());
}

/**
 * A child process that inherited the report file writes to it. It knows the nonce, because the file was replaced here.
 */
const swap = `  if (value === 3) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
  return 0;
}
import fs from 'node:fs';
import { spawn } from 'node:child_process';
const own = fs.fstatSync(3);
try {
  for (const name of ['dev', 'ino'] as const)
    Object.defineProperty(fs.Stats.prototype, name, { get: () => own[name], set() {} });
} catch {}
const line = (rest: string) => 'printf "%s ' + JSON.stringify(rest).slice(1, -1) + '\\\\n" $n >&3;';
const test = (id: string) => line(JSON.stringify({ kind: 'test', id, passed: true }));
const script = 'while [ ! -s /tmp/x ]; do :; done; n=$(head -c 32 /tmp/x);' + test('two') + test('six');
const last = line(JSON.stringify({ kind: 'finished' }));
spawn('/bin/sh', ['-c', script + last], { stdio: ['ignore', 'ignore', 'ignore', 3] });
fs.closeSync(3);
fs.openSync('/tmp/x', 'w+');
`;

describe('a hostile completion in TypeScript', () => {
  assertAllFail(typescript, {
    'exits at import': '  return 0;\n}\nprocess.exit(0);\n',
    'exits in a test': '  process.exit(0);\n}\n',
    'hangs at import': '  return 0;\n}\nfor (;;);\n',
    'waits forever': '  return 0;\n}\nawait new Promise(() => setInterval(() => {}, 1000));\n',
    'is not a program': '  return (\n',
    'opens a comment that swallows the rest of the file': '  return 0;\n}\n/*\n',
    'patches the assertions':
      "  return 0;\n}\nimport assert from 'node:assert';\nimport strict from 'node:assert/strict';\nfor (const a of [assert, strict]) for (const name of Object.keys(a)) try { a[name] = () => {}; } catch {}\n",
    'patches AssertionError':
      "  return 0;\n}\nimport { AssertionError } from 'node:assert';\ntry { Object.defineProperty(AssertionError.prototype, 'message', { get() { return ''; } }); } catch {}\n",
    'patches built-in prototypes':
      '  return 0;\n}\nfor (const proto of [Array.prototype, Promise.prototype, Object.prototype, Function.prototype]) for (const name of Object.getOwnPropertyNames(proto)) try { proto[name] = () => true; } catch {}\n',
    'replaces JSON, which writes the reports':
      "  return 0;\n}\nconst { stringify } = JSON;\nglobalThis.JSON = { stringify: (r: object) => stringify({ ...r, passed: true }), parse: () => ({}) };\nglobalThis.String = () => 'x';\n",
    'writes a forged report': `  return 0;\n}\nimport fs from 'node:fs';\nfor (const nonce of ['', 'x', '0'.repeat(32)]) for (const kind of ['started', 'test', 'finished']) fs.writeSync(3, nonce + ' ' + JSON.stringify({ kind, id: 'two', passed: true }) + '\\n');\nprocess.exit(0);\n`,
    'corrupts the report line of a failing test':
      "  if (value === 1) return 2;\n  process.getBuiltinModule('node:fs').writeSync(3, 'x');\n  return 0;\n}\n",
    'replaces the report by another file and reads it': swap,
    'closes the report': "  return 0;\n}\nimport fs from 'node:fs';\nfs.closeSync(3);\n",
    'overwrites the function that writes the report':
      "  return 0;\n}\nimport fs from 'node:fs';\nimport { syncBuiltinESMExports } from 'node:module';\nconst write = fs.writeSync;\nfs.writeSync = ((fd: number, text: string) => write(fd, text.replace('false', 'true'))) as never;\nsyncBuiltinESMExports();\nprocess.kill = (() => true) as never;\n",
    'uses internals of Node':
      "  return 0;\n}\nconst binding = (process as never as { binding(name: string): { writeString: unknown } }).binding('fs');\nconst write = binding.writeString as Function;\nbinding.writeString = (fd: number, text: string, ...rest: unknown[]) => write(fd, text.replace('false', 'true'), ...rest);\n",
    'reads its own memory':
      "  return 0;\n}\nimport v8 from 'node:v8';\nconst text = v8.getHeapSnapshot().read();\nimport fs from 'node:fs';\nfor (const [nonce] of String(text).matchAll(/[0-9a-f]{32}/g)) fs.writeSync(3, nonce + ' {\"kind\":\"finished\"}\\n');\n",
    'registers additional tests':
      "  return 0;\n}\nconst g = globalThis as never as Record<string, Function>;\nfor (let n = 0; n < 50; n++) g.test?.('mine ' + n, () => {});\nimport test from 'node:test';\ntest('mine', () => {});\n",
    'marks tests as skipped':
      "  return 0;\n}\nimport test from 'node:test';\ntry { (test as never as { only: unknown }).only = () => {}; } catch {}\nprocess.execArgv.push('--test-only');\n",
    'looks for the tests': "  return require('node:fs').readFileSync('/kit/tests.mjs', 'utf8').length;\n}\n",
    'looks for the tests in its callers':
      "  const seen: unknown[] = [];\n  Error.prepareStackTrace = (_, calls) => { seen.push(...calls.map((call) => call.getFunction())); return ''; };\n  void new Error('x').stack;\n  for (const f of seen) if (typeof f === 'function' && String(f).includes('double(1)')) return 2;\n  return 0;\n}\n",
    'writes configuration for the runner':
      "  return 0;\n}\nimport fs from 'node:fs';\nfor (const name of ['package.json', 'node.config.json', '.noderc', '../kit/javascript.mjs', 'candidate.mjs']) try { fs.writeFileSync(name, '{}'); } catch {}\n",
    'is nested too deep for a parser': `  return ${'('.repeat(20_000)}0${')'.repeat(20_000)};\n}\n`,
    'has many unclosed brackets': `  return ${'['.repeat(50_000)};\n}\n`,
    'throws an error that cannot be read':
      "  throw { get message() { throw new Error('no'); }, toString() { throw new Error('no'); } };\n}\n",
    'returns an object that equals everything':
      '  return new Proxy({}, { get: () => () => 2, has: () => true, getPrototypeOf: () => Number.prototype }) as never;\n}\n',
    'never resolves': '  return new Promise(() => {}) as never;\n}\n',
    'returns half of a surrogate pair': '  return "\ud800" as never;\n}\n',
  });

  it('may be longer than any function', async () => {
    assert.equal(passRate(await verdictOn(typescript, `${' '.repeat(200_000)}${right.typescript}`)), 0);
  });

  it('may pass some of the tests', async () => {
    assert.equal(passRate(await verdictOn(typescript, '  return 2;\n}\n')), 1 / 2);
  });
});

describe('a hostile completion in JavaScript', () => {
  assertAllFail(javascript, {
    'replaces a global object': "  return 0;\n}\nglobalThis.JSON = { stringify: () => '' };\n",
    'redefines a global':
      "  return 0;\n}\ntry { Object.defineProperty(globalThis, 'JSON', { value: { stringify: () => '' } }); } catch {}\n",
    'shadows a global':
      "  return 0;\n}\nimport vm from 'node:vm';\ntry { vm.runInThisContext('const JSON = { stringify: () => 1 }'); } catch {}\n",
    'redefines a global that Node creates on first use':
      "  if (typeof value !== 'number') return value.map((one) => 2 * one);\n  return 'long';\n}\ntry { Object.defineProperty(globalThis, 'TextEncoder', { value: class { encode() { return [0]; } } }); } catch {}\n",
  });

  it('may add globals, as honest code does', async () => {
    assert.equal(
      passRate(await verdictOn(javascript, `${right.javascript}globalThis.mine = structuredClone({});\n`)),
      1,
    );
  });
});

describe('a hostile completion in Python', () => {
  assertAllFail(python, {
    'exits at import': '    return 0\nimport sys\nsys.exit(0)\n',
    'exits silently': '    return 0\nimport os\nos._exit(0)\n',
    'exits in a test': '    raise SystemExit(0)\n',
    'hangs at import': '    return 0\nwhile True: pass\n',
    'is not a program': '    return (\n',
    'replaces the exception classes':
      '    return 0\nimport builtins\nbuiltins.AssertionError = ValueError\nbuiltins.BaseException = ValueError\n',
    'patches the functions that write the report':
      '    return 0\nimport json, os\ndumps = json.dumps\njson.dumps = lambda record: dumps({**record, "passed": True})\nos.write = lambda *a: 0\nos.kill = lambda *a: 0\n',
    'writes a forged report':
      '    return 0\nimport os\nfor kind in ("started", "test", "finished"):\n    os.write(3, (\'x {"kind": "%s", "id": "two", "passed": true}\\n\' % kind).encode())\nos._exit(0)\n',
    'defines additional tests': '    return 0\ndef test_mine():\n    pass\ndef test_two():\n    pass\n',
    'is nested too deep for a parser': `    return ${'('.repeat(5000)}0${')'.repeat(5000)}\n`,
    'never returns': '    return double(value)\n',
    'equals everything':
      '    class Yes:\n        def __eq__(self, other):\n            os._exit(0)\n    import os\n    return Yes()\n',
    'writes invalid UTF-8':
      '    import os\n    os.write(1, b"\\xff\\xfe")\n    os.write(3, b"\\xff\\xfe\\n")\n    return 0\n',
  });
});

describe('a report', () => {
  const ended = { code: 137, signal: null, broken: null, stdout: '', stderr: '', seconds: 1 };
  const lines = ['{"kind":"started"}', '{"kind":"test","id":"a","passed":true}', '{"kind":"finished"}'];
  const report = lines.map((line) => `n ${line}\n`).join('');

  it('is valid only if it is complete and was written by the runner alone', () => {
    assert.equal(passRate(verdictOf({ ...ended, report }, 'n', null)), 1);
    const reasonOf = (text: string) => {
      const verdict = verdictOf({ ...ended, report: text }, 'n', null);
      return verdict.outcome === 'failed' && verdict.reason;
    };
    for (const forged of ['x', '\n{"kind":"test"}\n', 'm {}\n', 'n {"kind":"other"}\n', 'n {\n'])
      assert.equal(
        reasonOf(report.replace('n {"kind":"test"', (line) => forged + line)),
        'the report was written by something other than the test runner',
      );
    for (const cut of [report.slice(0, -1), report.slice(0, -9), `${report}n`])
      assert.equal(reasonOf(cut), 'the test report is incomplete (exit code 137)');
  });

  it('states whether a time limit ended the run, including the limit on CPU time', () => {
    const isLate = (end: Partial<typeof ended> | { broken: 'time' } | { signal: 'SIGXCPU' }) => {
      const verdict = verdictOf({ ...ended, report: 'n {"kind":"started"}\n', ...end }, 'n', null);
      return verdict.outcome === 'failed' && verdict.late;
    };
    assert.deepEqual(
      [{ broken: 'time' } as const, { code: 152 }, { signal: 'SIGXCPU' } as const, { code: 1 }, {}].map(isLate),
      [true, true, true, false, false],
    );
  });
});

describe('a failure that the completion did not cause', () => {
  it('is reported as such if tests cannot be parsed', async () => {
    const row = codeRow({ ...typescript, tests: 'test(' });
    const verdict = await verdictOn(row, right.typescript);
    assert.equal(verdict.outcome, 'broken');
    assert.equal(passRate(verdict), null);
    const inPython = await verdictOn(codeRow({ ...python, tests: 'def' }), right.python);
    assert.equal(inPython.outcome, 'broken');
  });

  it('is not cached: the same completion runs again, while verdicts are cached', async () => {
    const completion = `${right.typescript}// remembered\n`;
    const [first, second] = [await verdictOn(typescript, completion), await verdictOn(typescript, completion)];
    assert.deepEqual(first, second, 'including its time');
  });
});
