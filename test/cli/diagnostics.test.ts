import assert from 'node:assert/strict';
import { appendFile, readFile } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import path from 'node:path';
import { it } from 'node:test';
import { runFile } from '../../src/runs/layout.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { newRun } from '../runs/example.ts';
import { document, enterHome, unmask } from './unmask.ts';

/** What must not be in a bundle: file content, texts of models and tests, secrets, and names. */
const canaries = ['canary-of-a-file', 'canary-of-a-test', 'hf_CanaryCanaryCanaryCanaryCanaryCanary', 'canary-model'];

it('diagnostics hold versions, devices and the states of runs, and nothing that is private', async () => {
  const session = await enterHome();
  const token = process.env.HF_TOKEN;
  process.env.HF_TOKEN = canaries[2];
  try {
    const run = await RunWriter.create(path.join(session.home, 'runs'), {
      ...newRun,
      model: `${homedir()}/canary-model`,
    });
    await run.log('Started: tune on onnx cpu, unmask 0.1.0.');
    await run.log('Step 1: 2.5 s (rollout 1.5 s), reward 0.52.');
    await run.log(`Warning: the test ${canaries[1]} of ${homedir()}/project failed with ${canaries[2]}`);
    await run.close('failed', new Error(`Cannot read ${homedir()}/x: ${canaries[0]}`));
    await appendFile(runFile(run.dir).log, `2026-01-01T00:00:00Z Failed: ${canaries[0]}\n`);
    const file = path.join(session.home, 'bundle.json');
    const { parts, file: written } = await document(['diagnostics', '--out', file]);
    assert.equal(written, file);
    assert.deepEqual(parts, ['versions', 'machine', 'devices', 'sandbox', 'disk', 'runs']);
    const text = await readFile(file, 'utf8');
    for (const canary of [...canaries, homedir(), session.home, hostname()])
      assert.ok(!text.includes(canary), `${canary} is in the bundle`);
    const bundle = JSON.parse(text);
    assert.equal(bundle.runs[0].state, 'failed');
    assert.equal(bundle.versions.node, process.versions.node);
    assert.equal(bundle.runs[0].log.length, 2, JSON.stringify(bundle.runs[0].log));
    assert.ok(bundle.devices.engines.length > 0);
    // It is shown as well as saved.
    const { stdout } = await unmask(['diagnostics']);
    assert.ok(stdout.includes('"versions"'));
  } finally {
    if (token === undefined) delete process.env.HF_TOKEN;
    else process.env.HF_TOKEN = token;
    await session.leave();
  }
});
