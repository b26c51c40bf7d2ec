import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Denoised } from '../../src/diffusion/canvas.ts';
import { answerRecord } from '../../src/evaluation/answer-records.ts';
import type { GradedAnswer } from '../../src/evaluation/evaluate.ts';
import { type AnswersEstimate, resumeEvaluation, startEvaluation } from '../../src/evaluation/evaluation-run.ts';
import { exportAnswers } from '../../src/evaluation/export.ts';
import { Interrupted } from '../../src/platform/errors.ts';
import type { EvaluationDocument, EvaluationSummary } from '../../src/protocol/evaluation.ts';
import { requestControl } from '../../src/runs/control.ts';
import { runFile } from '../../src/runs/layout.ts';
import { evaluationsOf, readAnswers, readEvents, readStatus, stepsOf } from '../../src/runs/reader.ts';
import { code } from '../../src/tasks/code/code.ts';
import { codeRow } from '../../src/tasks/code/row.ts';
import { parseRowFile } from '../../src/tasks/row-file.ts';
import { completedRow, scoreRows } from '../../src/tasks/score.ts';
import { sudoku4x4 } from '../../src/tasks/sudoku4x4.ts';
import { oneThread, writeTinyCheckpoint } from '../model/tiny-model.ts';
import { tinyEvaluation } from './tiny-evaluation.ts';

let root: string;
let model: string;
let whole: EvaluationDocument;
/** The progress reports of the whole evaluation, in order. */
const reports: (AnswersEstimate | 'batch')[] = [];
before(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'unmask-evaluation-'));
  model = await writeTinyCheckpoint(path.join(root, 'model'));
  whole = await startEvaluation(oneThread(), path.join(root, 'whole'), tinyEvaluation(model), {
    onEstimate: (estimate) => reports.push(estimate),
    onProgress: () => reports.push('batch'),
  });
});
after(() => rm(root, { recursive: true }));

it('says before the first answer what all answers will take', () => {
  const [estimate, ...batches] = reports;
  assert.ok(estimate && estimate !== 'batch' && batches.length > 1);
  assert.ok(batches.every((one) => one === 'batch'));
  assert.equal(estimate.answers, 2 * whole.n);
  assert.ok(estimate.steps > 1 && estimate.seconds > 0 && Number.isFinite(estimate.seconds));
});

/** The result of an evaluation without times and paths, which differ between runs. */
const found = ({ task, n, metrics, forwards_per_answer, tokens_per_forward }: EvaluationDocument) => ({
  task,
  n,
  metrics,
  forwards_per_answer,
  tokens_per_forward,
});
const answersOf = (dir: string) => readFile(runFile(dir).answers, 'utf8');

/** Starts an evaluation in a separate process and kills it after its first batch. */
async function killed(): Promise<string> {
  const job = fileURLToPath(new URL('job.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), job, path.join(root, 'killed'), model],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const ended = once(child, 'exit');
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  const dir = line.trim();
  while (stepsOf(await readEvents(dir)).length < 2) await delay(1);
  child.kill('SIGKILL');
  assert.equal((await ended)[1], 'SIGKILL', 'the job was killed before it ended');
  return dir;
}

it('an evaluation whose process was killed resumes after its last batch, with the same answers and result', async () => {
  const dir = await killed();
  assert.ok((await readdir(dir)).includes('lock.json'), 'a killed process leaves its lock');
  assert.notEqual((await readStatus(dir)).state, 'finished');
  const kept = (await readAnswers(dir)).length;
  assert.ok(kept > 0 && kept < 300, `${kept} answers were written`);
  // A batch without its step in the log does not count, and neither does an incomplete line.
  await appendFile(runFile(dir).answers, `${(await answersOf(dir)).split('\n')[0]}\n{"problem":"to`);
  const result = await resumeEvaluation(oneThread(), dir);
  assert.deepEqual(found(result), found(whole));
  assert.equal(await answersOf(dir), await answersOf(whole.dir), 'to the bit');
  const { state, step, steps, eta } = await readStatus(dir);
  assert.deepEqual([state, step, steps, eta], ['finished', 300, 300, 0]);
  const events = await readEvents(dir);
  assert.deepEqual(
    stepsOf(events).map(({ step }) => step),
    stepsOf(await readEvents(whole.dir)).map(({ step }) => step),
  );
  assert.deepEqual(
    evaluationsOf(events).map(({ step, evaluation }) => [step, evaluation.n, evaluation.metrics]),
    [[300, 150, whole.metrics]],
  );
});

it('a finished evaluation returns its result again', async () => {
  assert.deepEqual(await resumeEvaluation(oneThread(), whole.dir), whole);
  assert.equal(evaluationsOf(await readEvents(whole.dir)).length, 1);
});

it('an answer records how it was denoised, and can be graded again', async () => {
  const answers = await readAnswers(whole.dir);
  assert.equal(answers.length, 300);
  assert.equal(new Set(answers.map(({ problem, sample }) => `${problem} ${sample}`)).size, 300);
  for (const { tokens, pieces, revealedAt, confidence, forwards } of answers) {
    assert.deepEqual([tokens.length, pieces.length, revealedAt.length, confidence.length], [16, 16, 16, 16]);
    assert.equal(Math.max(...revealedAt), forwards - 1);
  }
  const again = await scoreRows(
    sudoku4x4,
    answers.map((answer) => completedRow(sudoku4x4, answer)),
    { format: 'plain' },
  );
  assert.deepEqual(
    again.rows.map(({ extracted, scores }) => ({ extracted, scores })),
    answers.map(({ extracted, scores }) => ({ extracted, scores })),
  );
});

it("an answer keeps a code problem's own prompt in addition to the model's prompt", async () => {
  const row = codeRow(code.heldOut!('test', 1)[0]);
  for (const format of ['plain', 'tagged'] as const) {
    const prompt = code.prompt(row, format);
    const completion = code.solution!(row, format) as string;
    const canvas = { tokens: [4], revealedAt: [0], confidence: [1], forwards: 1 } as unknown as Denoised;
    const grade = { correct: true, extracted: null, scores: { 'pass@1': { value: 1, weight: 1 } } };
    const given = { row, prompt, completion, seed: 3, grade, denoised: canvas } as unknown as GradedAnswer;
    const record = answerRecord(given, 'a', 0, { decode: () => 'x' });
    assert.deepEqual([record.prompt, record.row], [prompt, format === 'plain' ? undefined : { prompt: row.prompt }]);
    assert.deepEqual(completedRow(code, record), { row, completion });
    const dir = path.join(root, `code-${format}`);
    await mkdir(dir);
    await writeFile(runFile(dir).answers, `${JSON.stringify(record)}\n`);
    const [kept] = await readAnswers(dir);
    assert.deepEqual(completedRow(code, kept), { row, completion });
    const { text } = await exportAnswers({ dir } as EvaluationSummary, 'csv');
    const { rows } = parseRowFile(text, 'file.csv', (line) => completedRow(code, line));
    assert.deepEqual(rows[0]?.row, { row, completion });
  }
});

it('stops by signal and by control file, and pauses, between two batches', async () => {
  const abort = new AbortController();
  const stopped = startEvaluation(oneThread(), path.join(root, 'stopped'), tinyEvaluation(model), {
    signal: abort.signal,
    onProgress: () => abort.abort(),
  });
  const error = await stopped.catch((reason: unknown) => reason);
  assert.ok(error instanceof Interrupted);
  const [, done, dir] = /^Stopped after (\d+) of 300 answers\. To continue, run `unmask eval --resume (.*)`\.$/.exec(
    error.message,
  ) as unknown as [string, string, string];
  assert.equal((await readAnswers(dir)).length, Number(done));
  assert.equal((await readStatus(dir)).state, 'interrupted');

  let paused = false;
  const controlled = resumeEvaluation(oneThread(), dir, {
    onProgress: () => {
      if (!paused) void requestControl(dir, 'pause');
      paused = true;
    },
  });
  while ((await readStatus(dir)).state !== 'paused') await delay(5);
  const { length } = await readAnswers(dir);
  await requestControl(dir, 'stop');
  await assert.rejects(controlled, /^Interrupted: Stopped after/);
  assert.equal((await readAnswers(dir)).length, length, 'nothing was written while it was paused');
  await resumeEvaluation(oneThread(), dir);
  assert.equal(await answersOf(dir), await answersOf(whole.dir));
});

it('does not resume with another model, other problems, or a run of another kind', async () => {
  const own = await writeTinyCheckpoint(path.join(root, 'own'));
  const data = path.join(root, 'problems.jsonl');
  const rows = ['3014002020004130', '0000100420013142'].map((puzzle) => `${JSON.stringify({ puzzle })}\n`);
  await writeFile(data, rows.join(''));
  const { dir } = await startEvaluation(oneThread(), path.join(root, 'changed'), tinyEvaluation(own, { data }));
  await writeFile(data, rows.reverse().join(''));
  await assert.rejects(resumeEvaluation(oneThread(), dir), /The problems in .*problems\.jsonl have changed since/);
  await writeFile(data, rows.reverse().join(''));
  await writeTinyCheckpoint(own, {}, 2);
  await assert.rejects(resumeEvaluation(oneThread(), dir), /The model in .*own has changed since/);
  const file = runFile(dir).configuration;
  const configuration = JSON.parse(await readFile(file, 'utf8')) as object;
  await writeFile(file, JSON.stringify({ ...configuration, kind: 'tune' }));
  await assert.rejects(
    resumeEvaluation(oneThread(), dir),
    /is a run of kind tune; resume it with `unmask tune --resume/,
  );
});
