import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findProgram } from '../../src/sandbox/programs.ts';
import { judgeBodies } from '../../src/tasks/workspace/judge.ts';
import { discover } from '../../src/workspace/discover.ts';
import { passRate, type Verdict } from '../../src/workspace/verdict.ts';
import { enterHome } from '../cli/unmask.ts';
import { forgedWorkspaces } from './forgeries.ts';

let leave: () => Promise<void>;
let folder: string;
before(async () => {
  ({ leave } = await enterHome());
  folder = await realpath(await mkdtemp(path.join(tmpdir(), 'unmask forgeries ')));
});
after(async () => {
  await rm(folder, { recursive: true });
  await leave();
});

/** What became of a forgery whose tests must not pass. */
function outcomeOf(verdict: Verdict): 'held' | 'detected' | 'listed' {
  if (verdict.outcome === 'failed' && verdict.forged) return 'detected';
  return passRate(verdict) === 1 ? 'listed' : 'held';
}

for (const { runner, command, program, packages, files, forgeries } of forgedWorkspaces)
  describe(`forged results with ${runner}`, {
    skip: program !== undefined && findProgram(program) === null && `${program} is not installed`,
  }, () => {
    let verdicts: Verdict[];
    before(async () => {
      const root = path.join(folder, runner.replaceAll(/\W/g, ' '));
      for (const [file, text] of Object.entries(files)) {
        await mkdir(path.dirname(path.join(root, file)), { recursive: true });
        await writeFile(path.join(root, file), text);
      }
      if (packages) await symlink(packages, path.join(root, 'node_modules'));
      const { tasks, checkable } = await discover(root, { command: command ?? null });
      const index = tasks.findIndex((task) => /^double$/i.test(task.function));
      assert.ok(index >= 0, 'the function is covered by its tests');
      assert.equal(checkable[index], true, 'forged results of the function can be noticed');
      const row = tasks[index]!;
      const honest = row.body.replace('2 * value', 'value + value');
      verdicts = await judgeBodies([...forgeries.map(({ body }) => body), honest].map((body) => ({ row, body })));
    });
    for (const [index, { name, expected }] of forgeries.entries())
      it(`${name}: ${expected}`, () => {
        const verdict = verdicts[index]!;
        assert.notEqual(verdict.outcome, 'broken', JSON.stringify(verdict));
        assert.equal(outcomeOf(verdict), expected, JSON.stringify(verdict));
      });
    it('do not include an honest body that differs from the original', () => {
      assert.equal(passRate(verdicts.at(-1)!), 1, JSON.stringify(verdicts.at(-1)));
    });
  });
