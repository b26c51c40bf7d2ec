import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findEngineProblem, firstAccepted } from '../../src/extension/accept-node.ts';
import type { NodeProgram } from '../../src/extension/find-node.ts';
import { UserError } from '../../src/platform/errors.ts';

const node = (file: string): NodeProgram => ({ file, version: '20.19.0', environment: {} });
async function* nodes(...files: string[]) {
  for (const file of files) yield node(file);
}

describe('accepting a Node', { timeout: 60_000 }, () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'unmask-accept-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('takes the first suitable program without checking the others', async () => {
    const checked: string[] = [];
    const chosen = await firstAccepted(nodes('a', 'b', 'c'), async ({ file }) => {
      checked.push(file);
      return file === 'b' ? null : 'too odd';
    });
    assert.equal(chosen.file, 'b');
    assert.deepEqual(checked, ['a', 'b']);
  });

  it('reports why each program is unsuitable if none is suitable', async () => {
    await assert.rejects(
      firstAccepted(nodes('a', 'b'), async ({ file }) => `no ${file}`),
      (error: Error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, /\(a, 20\.19\.0: no a; b, 20\.19\.0: no b\)\. Install Node\.js 20\.19/);
        return true;
      },
    );
  });

  async function whyNot(source: string): Promise<string | null> {
    const script = path.join(folder, 'unmask.mjs');
    await writeFile(script, source);
    return findEngineProblem(node(process.execPath), script, () => {});
  }
  const report = (selfTest: string, reason: string | null) =>
    `console.log(JSON.stringify({ available: true, selfTest: '${selfTest}', reason: ${JSON.stringify(reason)}, gflops: 1 }));`;

  it('runs the self-test of an engine, and of another one if the first fails', async () => {
    assert.equal(await whyNot(report('passed', null)), null);
    const second = `if (process.argv[2] !== 'self-test') process.exit(9);
      if (process.argv[3] === 'onnx') { ${report('failed', 'wrong numbers')} } else { ${report('passed', null)} }`;
    assert.equal(await whyNot(second), null);
  });

  it('reports why both engines fail, also after a crash', async () => {
    assert.equal(
      await whyNot(report('failed', 'wrong numbers')),
      'onnx cpu: wrong numbers, tensorflow wasm: wrong numbers',
    );
    assert.match((await whyNot('process.abort();')) ?? '', /^onnx cpu: unmask self-test onnx cpu exited with SIGABRT/);
  });
});
