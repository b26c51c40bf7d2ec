import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { assertGolden } from '../golden/golden-file.ts';
import { maskNumbers, maskPositions } from '../golden/mask.ts';

const main = fileURLToPath(new URL('../../dist/unmask.mjs', import.meta.url));

interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

interface StartDocument {
  readonly task: string;
  readonly n: number;
  readonly before: Record<string, Interval>;
  readonly after: Record<string, Interval>;
  readonly control: Record<string, Interval>;
  readonly difference: Interval;
  readonly versus_control: Interval;
  readonly seconds: number;
  readonly report: string;
  readonly checkpoint: string;
}

/**
 * What `start` prints, without results, which depend on rounding and speed, and without the lines that report progress.
 */
const masks: readonly (readonly [RegExp, string])[] = [
  [/^ {2}step +\d+ {2}.*$/gm, '  FRAME'],
  [/^[> ] ((onnx|tensorflow) +\S+) .*$/gm, '$1 ...'],
  [/needs (about )?[\d.]+ [KMG]iB.*$/gm, 'MEMORY'],
  // The number of steps depends on the time limit, and so do the evaluations after the first.
  [/^step \d+[: ].*\n/gm, ''],
  [/^evaluated at step [1-9].*\n/gm, ''],
  [/^(validation|test): answers \d+ of .*\n/gm, ''],
  [/^Warning: The time limit .*\n/gm, ''],
  [/^\d+ steps?$/gm, 'N steps'],
  [/(?<=step-)\d{6}$/gm, 'N'],
  [/(?<=^== Result\n)[\s\S]*?(?=\n\n==)/gm, 'RESULT'],
  [/^\d+ min \d+ s in all/gm, 'DURATION'],
  [/^\d+(\.\d+)? s in all/gm, 'DURATION'],
];

describe('unmask start', () => {
  let folder: string;
  let output: string;
  let small: string[];
  let document: StartDocument;
  const unmask = (...args: string[]) =>
    promisify(execFile)(process.execPath, [main, ...args], {
      env: { ...process.env, UNMASK_HOME: path.join(folder, 'home') },
    });

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'unmask-start-'));
    small = [
      ...['--steps', '2', '--time-limit', '20', '--problems', '12', '--runs', folder],
      ...['--engine', 'onnx', '--device', 'cpu'],
    ];
    const { stdout, stderr } = await unmask('start', ...small, '--json');
    output = stderr;
    document = JSON.parse(stdout) as StartDocument;
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('writes its numbers to start.json, and prints the same with --json', async () => {
    assert.deepEqual(JSON.parse(await readFile(path.join(folder, 'start.json'), 'utf8')), document);
    assert.equal(document.task, 'sudoku4x4');
    assert.equal(document.n, 12);
    for (const metrics of [document.before, document.after, document.control]) {
      assert.deepEqual(Object.keys(metrics), ['cell_accuracy', 'solved']);
      for (const { value, low, high } of Object.values(metrics))
        assert.ok(0 <= low && low <= value && value <= high && high <= 1);
    }
    const change = document.after.cell_accuracy!.value - document.before.cell_accuracy!.value;
    assert.ok(Math.abs(document.difference.value - change) < 1e-9);
    const ahead = document.after.cell_accuracy!.value - document.control.cell_accuracy!.value;
    assert.ok(Math.abs(document.versus_control.value - ahead) < 1e-9);
    assert.ok(
      document.difference.low <= document.difference.value && document.difference.value <= document.difference.high,
    );
    assert.ok(document.seconds > 0);
  });

  it('shows devices, a line per step, the conclusion, and a denoising trace from all masks to none', () => {
    assert.match(output, /> onnx/);
    assert.match(output, /step 1 .*reward .*tokens\/s .*left/);
    assert.match(output, /EUBO-ELBO gap .*up to a constant/);
    assert.match(output, /held-out puzzles/);
    const frames = output.split('\n').filter((line) => /^ {2}step +\d+ {2}/.test(line));
    assert.equal(frames.length, 16);
    assert.equal(frames[0]!.split('·').length - 1, 15);
    assert.ok(!frames.at(-1)!.includes('·'));
  });

  it('prints the recorded transcript', async () => {
    const help = await unmask('start', '--help');
    const failed = await unmask('start', '--steps', '0').then(
      () => assert.fail('it succeeded'),
      (error: { code: number; stderr: string }) => error,
    );
    const masked = masks.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), output);
    const transcript = [
      `$ unmask start --help\n[stdout]\n${help.stdout}[exit code 0]\n`,
      `$ unmask start ${small.join(' ')} --json\n[stderr]\n${maskNumbers(masked)}[exit code 0]\n`,
      `$ unmask start --steps 0\n[stderr]\n${failed.stderr}[exit code ${failed.code}]\n`,
    ].join('\n');
    await assertGolden('cli/start.txt', maskPositions(transcript, folder));
  });

  it('writes a report with the same numbers', async () => {
    const html = await readFile(document.report, 'utf8');
    assert.match(html, /^<!doctype html>/i);
    assert.ok(html.includes(JSON.stringify(document.difference.value)));
    assert.ok(html.includes(JSON.stringify(document.control.solved!.value)));
  });

  it('leaves a checkpoint for which eval repeats the result', async () => {
    const args = [
      '--task',
      'sudoku4x4',
      '--model',
      document.checkpoint,
      '--limit',
      '12',
      '--engine',
      'onnx',
      '--device',
      'cpu',
      '--json',
    ];
    const { stdout } = await unmask('eval', ...args);
    assert.deepEqual((JSON.parse(stdout) as { metrics: unknown }).metrics, document.after);
  });
});
