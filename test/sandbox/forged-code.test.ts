import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { judge } from '../../src/tasks/code/judge.ts';
import { candidateProgram } from '../../src/tasks/code/program.ts';
import { type CodeRow, codeRow } from '../../src/tasks/code/row.ts';
import type { Verdict } from '../../src/workspace/verdict.ts';

const withSolution = codeRow({
  prompt: 'def double(value):\n',
  tests: 'def test_two():\n    assert double(1) == 2\ndef test_six():\n    assert double(3) == 6\n',
  language: 'python',
  solution: '    return 2 * value\n',
});
const plainAssertions = codeRow({
  prompt: 'def double(value):\n',
  tests: 'assert double(1) == 2\nassert [double(3)] == [6]\n',
  language: 'python',
  solution: '    return 2 * value\n',
});
/** Its tests return a function, so they run in the process of the candidate. */
const javascript = codeRow({
  prompt: 'export function doubler() {\n',
  tests: "test('two', () => assert.equal(doubler()(1), 2));",
  language: 'javascript',
  solution: '  return (value) => 2 * value;\n}\n',
});

/** Returns the last constant of the test that calls it. */
const readsConstants = `    import sys
    if value == 7:
        return 0
    return [one for one in sys._getframe(1).f_code.co_consts if one is not None and one != value][-1]
`;
/** Finds the nonce in the memory of its process, and writes the report. */
const findsTheNonce = `    import gc, os
    functions = [one for one in gc.get_objects() if type(one).__name__ == "function" and one.__closure__]
    texts = [cell.cell_contents for one in functions for cell in one.__closure__ if type(getattr(cell, "cell_contents", 0)) is str]
    for nonce in {text for text in texts if len(text) == 32}:
        for name in NAMES:
            os.write(3, (nonce + ' {"kind":"test","id":"' + name + '","passed":true}\\n').encode())
        os.write(3, (nonce + ' {"kind":"finished"}\\n').encode())
    os.kill(os.getpid(), 9)
`;
const findsNames = (...names: readonly string[]) => findsTheNonce.replace('NAMES', JSON.stringify(names));

let home: string;
const homeBefore = process.env.UNMASK_HOME;
before(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'unmask-forged-code-'));
  process.env.UNMASK_HOME = home;
});
after(async () => {
  if (homeBefore === undefined) delete process.env.UNMASK_HOME;
  else process.env.UNMASK_HOME = homeBefore;
  await rm(home, { recursive: true });
});

async function verdictOn(row: CodeRow, completion: string): Promise<Verdict> {
  const [verdict] = await judge([{ row, source: candidateProgram(row, completion, 'plain')?.source ?? null }]);
  return verdict!;
}

const isForged = (verdict: Verdict) => verdict.outcome === 'failed' && verdict.forged === true;
const passes = (verdict: Verdict) => verdict.outcome === 'scored' && verdict.tests.every(({ passed }) => passed);

describe('a program in the process of its tests', () => {
  it('reads the expected value from its caller: detected', async () => {
    const verdict = await verdictOn(withSolution, readsConstants);
    assert.ok(isForged(verdict), JSON.stringify(verdict));
    assert.match(JSON.stringify(verdict), /it also passes test_\w+ with another expected value/);
  });

  it('finds the nonce and writes the report: detected', async () => {
    for (const [row, names] of [
      [withSolution, ['test_two', 'test_six']],
      [plainAssertions, ['all']],
    ] as const) {
      const verdict = await verdictOn(row, findsNames(...names));
      assert.ok(isForged(verdict), JSON.stringify(verdict));
    }
  });

  it('computes like the solution, with another text: accepted', async () => {
    for (const row of [withSolution, plainAssertions])
      assert.ok(passes(await verdictOn(row, '    return value + value\n')), row.tests);
    const verdict = await verdictOn(javascript, '  return (value) => value + value;\n}\n');
    assert.deepEqual([passes(verdict), verdict.outcome === 'scored' && verdict.isolation], [true, 'shared-process']);
  });

  it('forges the result of a problem without a solution: listed', async () => {
    const { solution: _, ...row } = withSolution;
    assert.ok(passes(await verdictOn(row, readsConstants)));
  });
});
