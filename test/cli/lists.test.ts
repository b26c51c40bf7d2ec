import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { document, enterHome, unmask } from './unmask.ts';

let leave: () => Promise<void>;
before(async () => {
  ({ leave } = await enterHome());
});
after(() => leave());

it('objectives', async () => {
  const { objectives } = await document(['objectives']);
  assert.deepEqual(
    objectives.map(({ name }: { name: string }) => name),
    [
      'spg-mixture',
      'spg-eubo',
      'spg-elbo',
      'spg-positive',
      'diffu-grpo',
      'wd1',
      'unigrpo',
      'coupled-grpo',
      'espo',
      'vrpo',
      'egspo',
      'egspo-sa',
      'trafl',
      'rspo',
      'dtm',
      'dispo',
      'autoedit',
      'ebpo',
    ],
  );
  for (const objective of objectives) {
    assert.deepEqual(Object.keys(objective), ['name', 'paper', 'description']);
    assert.match(objective.paper, /arXiv \d{4}\.\d{5}/);
    assert.ok(objective.description.length > 10);
  }
});

it('tasks', async () => {
  const { tasks } = await document(['tasks']);
  const metrics = Object.fromEntries(
    tasks.map((task: { name: string; metrics: string[] }) => [task.name, task.metrics]),
  );
  assert.deepEqual(metrics, {
    sudoku4x4: ['cell_accuracy', 'solved'],
    countdown: ['solved', 'format'],
    gsm8k: ['accuracy'],
    math: ['accuracy'],
    code: ['pass@1'],
    programs: ['pass@1'],
    workspace: ['pass@1'],
  });
  const makers = tasks.filter(({ makesProblems }: { makesProblems: boolean }) => makesProblems);
  assert.deepEqual(
    makers.map(({ name }: { name: string }) => name),
    ['sudoku4x4', 'countdown', 'code', 'programs'],
  );
});

it('models', async () => {
  const { models } = await document(['models']);
  const bundled = models.find(({ name }: { name: string }) => name === 'unmask-puzzles');
  assert.equal(bundled.kind, 'bundled');
  assert.ok(bundled.parameters > 1e5);
});

it('runs, if there are none yet', async () => {
  assert.deepEqual(await document(['runs', 'list']), { runs: [] });
});

it('the same lists as text', async () => {
  const { code, stdout, stderr } = await unmask(['tasks']);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^sudoku4x4 .*\ncountdown .*\ngsm8k .*\nmath .*\ncode .*\nprograms .*\nworkspace .*\n$/);
});

it('help and version', async () => {
  const help = await unmask(['--help']);
  assert.equal(help.code, 0);
  for (const command of [
    'start',
    'devices',
    'objectives',
    'tasks',
    'models',
    'tune',
    'runs',
    'eval',
    'evaluations',
    'score',
    'infill-eval',
    'pretrain',
    'logits',
    'loss',
  ])
    assert.match(help.stdout, new RegExp(`^  ${command} `, 'm'));
  const tune = await unmask(['tune', '--help']);
  for (const option of [
    '--task',
    '--objective',
    '--model',
    '--steps',
    '--seed',
    '--runs',
    '--time-limit',
    '--resume',
    '--set',
    '--config',
    '--json',
  ])
    assert.ok(tune.stdout.includes(option), option);
  const version = await unmask(['--version']);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});

it('devices', async () => {
  const { engines, chosen, sandbox } = await document(['devices']);
  for (const entry of engines)
    assert.deepEqual(Object.keys(entry).sort(), ['available', 'device', 'engine', 'gflops', 'reason', 'selfTest']);
  const cpu = engines.find(
    ({ engine, device }: { engine: string; device: string }) => `${engine} ${device}` === 'onnx cpu',
  );
  assert.equal(cpu.selfTest, 'passed');
  assert.ok(cpu.gflops > 0);
  assert.ok(engines.some(({ engine }: { engine: string }) => engine === 'tensorflow'));
  assert.deepEqual(Object.keys(chosen), ['engine', 'device']);
  for (const entry of engines)
    if (entry.engine !== chosen.engine || entry.device !== chosen.device) assert.equal(typeof entry.reason, 'string');
  assert.deepEqual(Object.keys(sandbox).sort(), ['available', 'kind', 'limits', 'reason']);
});
