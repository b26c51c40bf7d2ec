/**
 * A job for the tests, run as a separate process: `node --import tsx test/training/job.ts tune|pretrain ROOT INPUT
 * [OBJECTIVE [SETTINGS]]`. INPUT is the model to tune, or the folder of the model to create. It prints its run
 * directory on stdout.
 */
import { startPretraining } from '../../src/training/pretraining-run.ts';
import { startTuning } from '../../src/tuning/tuning-run.ts';
import { oneThread } from '../model/tiny-model.ts';
import { tinyPretraining, tinyTuning } from './tiny-runs.ts';

type Arguments = [string, string, 'tune' | 'pretrain', string, string, string | undefined, string | undefined];
const [, , kind, root, folder, objective = 'spg-mixture', settings = '{}'] = process.argv as unknown as Arguments;
const hooks = { onStart: ({ dir }: { dir: string }) => void process.stdout.write(`${dir}\n`) };
if (kind === 'tune')
  await startTuning(oneThread(), root, tinyTuning(folder, { objective }, JSON.parse(settings)), hooks);
else await startPretraining(oneThread(), root, tinyPretraining(folder), hooks);
