import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isWellFormed } from '../../src/syntax/trees.ts';
import { judge } from '../../src/tasks/code/judge.ts';
import { problemsOf } from '../../src/tasks/code/problem-files.ts';
import { candidateProgram } from '../../src/tasks/code/program.ts';

const splits = ['training', 'validation', 'test'] as const;

describe('the bundled problems', () => {
  it('are numerous and unique, and no kind is in two splits', () => {
    const all = splits.flatMap((split) => problemsOf(split).map((problem) => ({ split, ...problem })));
    assert.ok(all.length >= 120, `${all.length}`);
    assert.equal(new Set(all.map(({ entry_point }) => entry_point)).size, all.length);
    const kinds = new Map<string, Set<string>>();
    for (const { kind, split } of all) kinds.set(kind, (kinds.get(kind) ?? new Set()).add(split));
    for (const [kind, where] of kinds) assert.equal(where.size, 1, kind);
    for (const split of splits) assert.ok(all.some((problem) => problem.split === split));
  });

  it('parse, describe their task, and declare the function that they are named after', async () => {
    for (const { entry_point: name, prompt, solution } of splits.flatMap(problemsOf)) {
      assert.equal(await isWellFormed('typescript', prompt + solution), true, name);
      assert.match(prompt, new RegExp(`^/\\*\\* .*\\*/\nexport function ${name}\\b`), name);
    }
  });

  it('have at least three tests each, which only their solutions pass', async () => {
    const problems = splits.flatMap(problemsOf);
    const solved = await judge(
      problems.map((row) => ({ row, source: candidateProgram(row, row.solution, 'plain')!.source })),
    );
    for (const [index, verdict] of solved.entries()) {
      const name = problems[index]!.entry_point;
      assert.ok(verdict.outcome === 'scored', `${name}: ${JSON.stringify(verdict)}`);
      assert.ok(verdict.tests.length >= 3, `${name} has ${verdict.tests.length} tests`);
      assert.deepEqual(
        verdict.tests.filter(({ passed }) => !passed),
        [],
        name,
      );
    }
  });

  it('are not solved by a body that returns nothing', async () => {
    // Every tenth problem is enough to show that tests check the result.
    const problems = splits.flatMap(problemsOf).filter((_, index) => index % 10 === 0);
    const empty = await judge(problems.map((row) => ({ row, source: candidateProgram(row, '}\n', 'plain')!.source })));
    for (const [index, verdict] of empty.entries())
      assert.ok(
        verdict.outcome === 'scored' && verdict.tests.some(({ passed }) => !passed),
        problems[index]!.entry_point,
      );
  });
});
