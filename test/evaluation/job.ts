/**
 * An evaluation for the tests, run as a separate process: `node --import tsx test/evaluation/job.ts ROOT MODEL`. It
 * prints its run directory on stdout.
 */
import { startEvaluation } from '../../src/evaluation/evaluation-run.ts';
import { oneThread } from '../model/tiny-model.ts';
import { tinyEvaluation } from './tiny-evaluation.ts';

const [, , root, model] = process.argv as unknown as [string, string, string, string];
await startEvaluation(oneThread(), root, tinyEvaluation(model), {
  onStart: ({ dir }) => void process.stdout.write(`${dir}\n`),
});
