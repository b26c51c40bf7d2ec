import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { it } from 'node:test';
import type { ResultMessage } from '../../src/workers/messages.ts';
import { ResultLog } from '../../src/workers/result-log.ts';
import { temporaryFolder } from '../runs/example.ts';

const idOf = (letter: string) => letter.repeat(64);
const resultOf = (letter: string): ResultMessage => ({
  kind: 'rewards',
  id: idOf(letter),
  worker: 'w1',
  machine: 'm',
  seconds: 0.01,
  rewards: [],
});

it('results are in the file of their step, also if they arrive before it', async () => {
  const folder = path.join(await temporaryFolder(), 'results');
  const log = new ResultLog(folder);
  await log.append(resultOf('0'));
  assert.equal((await log.begin(3)).size, 0, 'nothing is kept before the first step');
  await log.append(resultOf('a'));
  await Promise.all([log.append(resultOf('b'), 4), log.append(resultOf('c'), 5), log.append(resultOf('d'), 4)]);
  assert.deepEqual(log.find(idOf('a')), resultOf('a'));
  assert.equal(log.find(idOf('b')), undefined, 'it belongs to a later step');
  assert.deepEqual([...(await log.begin(4)).keys()], [idOf('b'), idOf('d')]);
  await log.append(resultOf('e'), 3);
  assert.deepEqual((await readdir(folder)).sort(), ['step-000004.jsonl', 'step-000005.jsonl']);
  await log.close({ finished: false });

  // The process was killed, and the run is resumed in the same step.
  const again = new ResultLog(folder);
  assert.deepEqual([...(await again.begin(4)).keys()], [idOf('b'), idOf('d')]);
  assert.deepEqual([...(await again.begin(5)).keys()], [idOf('c')]);
  assert.deepEqual(await readdir(folder), ['step-000005.jsonl']);
  await again.close({ finished: true });
  await assert.rejects(readdir(folder), { code: 'ENOENT' });
});
