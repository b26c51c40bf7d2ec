import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { writeTinyCheckpoint } from '../model/tiny-model.ts';
import { document, enterHome, refusal, unmask } from './unmask.ts';

let home: string;
let leave: () => Promise<void>;
before(async () => {
  ({ home, leave } = await enterHome());
  await writeTinyCheckpoint(path.join(home, 'models', 'tiny'));
});
after(() => leave());

const small = [
  ...[
    '--model',
    'tiny',
    '--steps',
    '1',
    '--trials',
    '1',
    '--problems',
    '2',
    '--samples',
    '2',
    '--engine',
    'onnx',
    '--device',
    'cpu',
  ],
  ...['prompts_per_step=1', 'group_size=2', 'evaluation_problems=1', 'inner_updates=1'].flatMap((pair) => [
    '--set',
    pair,
  ]),
];
const compare = ['compare', '--task', 'sudoku4x4', '--objectives', 'spg-mixture,wd1', '--seeds', '1', ...small];

it('prints a row for each objective, and the path of the page', async () => {
  const { task, rows, page } = await document(compare);
  assert.equal(task, 'sudoku4x4');
  for (const [index, objective] of ['spg-mixture', 'wd1'].entries()) {
    const { metrics, ...row } = rows[index];
    assert.deepEqual([row.objective, row.seeds, row.rollouts], [objective, 1, 2]);
    assert.ok(row.seconds_per_step > 0);
    assert.deepEqual(Object.keys(metrics), ['cell_accuracy', 'solved', 'pass@1', 'pass@2']);
    for (const { value, low, high } of Object.values(metrics) as Record<string, number>[])
      assert.ok(low! <= value! && value! <= high!);
  }
  assert.equal(page, path.join(home, 'comparisons', 'sudoku4x4', 'index.html'));
  assert.match(await readFile(page, 'utf8'), /npx unmask compare --task sudoku4x4/);
  const kept = JSON.parse(await readFile(path.join(path.dirname(page), 'comparison.json'), 'utf8'));
  assert.deepEqual(kept, { task, rows, page: 'index.html' }, 'no path of this machine');
  await document(compare.map((word, place) => (compare[place - 1] === '--seeds' ? '0' : word)));
  assert.match(await readFile(page, 'utf8'), /--seeds 1 --steps 1/, 'a shown comparison includes its plan');
  const { stdout } = await unmask(compare);
  assert.match(stdout, /^\| objective \|[\s\S]*\| wd1 \| 1 \|[\s\S]*page: /);
});

it('rejects what cannot be compared', async () => {
  const needy = ['compare', '--task', 'sudoku4x4', '--objectives', 'wd1,vrpo', '--set', 'reference=none', '--out', 'x'];
  assert.match(await refusal([...needy, '--model', 'tiny'], 2), /^vrpo needs a reference policy/);
  assert.match(await refusal([...compare, '--steps', '2'], 2), /contains a comparison with another steps/);
  assert.match(await refusal(['compare', '--task', 'gsm8k', '--objectives', 'wd1'], 2), /has no problems of its own/);
  const scarce = ['compare', '--task', 'countdown', '--objectives', 'wd1', '--set', 'task_options={"largest":20}'];
  assert.match(
    await refusal([...scarce, '--model', 'tiny', '--problems', '9999', '--out', 'x'], 2),
    /^countdown cannot make 9999 different problems of the test part; ask for fewer/,
  );
  assert.match(
    await refusal(['compare', '--task', 'sudoku4x4', '--objectives', 'wd1,ppo'], 2),
    /^Unknown objective ppo/,
  );
});
