import assert from 'node:assert/strict';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { RunFeed } from '../../src/extension/panel/run-feed.ts';
import type { PanelRun, PanelUpdate } from '../../src/protocol/panel.ts';
import { runFile } from '../../src/runs/layout.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { newRun, temporaryFolder } from '../runs/example.ts';
import { exampleRun } from './example-run.ts';

const step = (number: number) => ({ step: number, time: number, reward: 0.5 });

/** A running run, and the updates that a page receives about it. */
async function followed() {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  const updates: PanelUpdate[] = [];
  let listed: PanelRun | undefined = exampleRun({ dir: run.dir });
  const feed = new RunFeed(
    { dir: run.dir, role: 'shown' },
    () => listed,
    (update) => updates.push(update),
  );
  return { run, feed, updates, list: (entry: PanelRun | undefined) => (listed = entry) };
}

describe('the feed of a run', () => {
  it('sends the whole run, then what was added', async () => {
    const { run, feed, updates } = await followed();
    await run.append(step(1));
    await feed.update();
    await run.append(step(2));
    await run.samples(2, []);
    await feed.update();
    const [whole, added, ...others] = updates;
    assert.ok(whole?.kind === 'run' && whole.role === 'shown' && whole.contents);
    assert.deepEqual(whole.contents.events, [step(1)]);
    assert.equal(whole.contents.configuration.task, 'sudoku4x4');
    assert.ok(added?.kind === 'events' && added.dir === run.dir);
    assert.deepEqual(added.events, [step(2)]);
    assert.deepEqual(added.sampleSteps, [2]);
    assert.deepEqual(others, []);
    await run.close('finished');
  });

  it('sends nothing if nothing changed', async () => {
    const { run, feed, updates } = await followed();
    await feed.update();
    await feed.update();
    assert.equal(updates.length, 1);
    await run.close('finished');
  });

  it('sends each event once, even if updates overlap', async () => {
    const { run, feed, updates } = await followed();
    await feed.update();
    for (let number = 1; number <= 20; number++) {
      await run.append(step(number));
      void feed.update();
    }
    await feed.update();
    const events = updates.flatMap((update) => (update.kind === 'events' ? update.events : []));
    assert.deepEqual(
      events.map((event) => event.step),
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
    await run.close('finished');
  });

  it('sends the whole run again if a resumed run has rewound its log', async () => {
    const { run, feed, updates } = await followed();
    for (const number of [1, 2, 3]) await run.append(step(number));
    await run.checkpoint(2, async (folder) => writeFile(path.join(folder, 'state.json'), '{}'));
    await feed.update();
    await run.close('interrupted');
    const resumed = await RunWriter.resume(run.dir, 2);
    await feed.update();
    const last = updates.at(-1);
    assert.ok(last?.kind === 'run' && last.contents);
    assert.deepEqual(
      last.contents.events.map((event) => event.step),
      [1, 2],
    );
    await resumed.close('finished');
  });

  it('computes warnings from all events, not only from the new ones', async () => {
    const { run, feed, updates } = await followed();
    for (let number = 1; number <= 30; number++) await run.append({ ...step(number), reward: 0.9 });
    await feed.update();
    for (let number = 31; number <= 50; number++) await run.append({ ...step(number), reward: 0.1 });
    await feed.update();
    const last = updates.at(-1);
    assert.ok(last?.kind === 'events');
    assert.deepEqual(
      last.warnings.map(({ kind }) => kind),
      ['collapse'],
    );
    await run.close('finished');
  });

  it('reports that the run was deleted', async () => {
    const { run, feed, updates, list } = await followed();
    await feed.update();
    list(undefined);
    await feed.update();
    await feed.update();
    assert.deepEqual(updates.slice(1), [{ kind: 'run', role: 'shown', contents: null }]);
    await run.close('finished');
  });

  it('sends nothing after it is closed, and rejects an update that fails', async () => {
    const { run, feed, updates } = await followed();
    const update = feed.update();
    feed.close();
    await update;
    assert.deepEqual(updates, []);
    const broken = new RunFeed(
      { dir: run.dir, role: 'compared' },
      () => exampleRun(),
      () => {},
    );
    await mkdir(run.dir, { recursive: true });
    await appendFile(runFile(run.dir).events, 'nonsense\n');
    await assert.rejects(broken.update(), /line 1 of .*events\.jsonl is not valid JSON/);
    await run.close('finished');
  });
});
