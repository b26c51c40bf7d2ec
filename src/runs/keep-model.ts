import { randomUUID } from 'node:crypto';
import { cp, mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { UserError } from '../platform/errors.ts';
import { readJson, writeAtomic } from '../platform/files.ts';
import { isModelName } from '../platform/model-name.ts';
import type { Interval } from '../protocol/interval.ts';
import { baseOf, type Checkpoint, listCheckpoints } from './checkpoints.ts';
import { readConfiguration } from './directory.ts';
import { runFile } from './layout.ts';
import { isOver, readStatus } from './reader.ts';

/** Files of a checkpoint that only its run needs. */
const trainingFiles = ['optimizer.safetensors', 'method.safetensors', 'state.json', baseOf];

/** Copies a checkpoint without what only its run needs, with its card, to where a model is wanted; all or nothing. */
export function publishModel(checkpoint: string, output: string, card: string): Promise<void> {
  return inNewFolder(output, async (temporary) => {
    await cp(checkpoint, temporary, {
      recursive: true,
      filter: (source) => !trainingFiles.includes(path.basename(source)),
    });
    await writeAtomic(path.join(temporary, 'README.md'), card);
  });
}

/** Has `write` fill a folder that becomes `output` only once all of it is there. */
export async function inNewFolder(output: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${output}.${randomUUID()}.tmp`;
  await mkdir(path.dirname(output), { recursive: true });
  try {
    await write(temporary);
    // An empty folder may stand there; one that holds something is somebody's, and stays.
    await rmdir(output).catch(() => undefined);
    await rename(temporary, output);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** The checkpoint of a run that its validation rated best, else the last; null where it has none. */
export async function bestCheckpoint(dir: string): Promise<Checkpoint | null> {
  const checkpoints = await listCheckpoints(dir);
  const last = checkpoints.at(-1);
  if (!last) return null;
  const state = await readJson(path.join(last.dir, 'state.json')).catch(() => null);
  const best = progressSchema.safeParse(state).data?.best?.step;
  return checkpoints.find(({ step }) => step === best) ?? last;
}

const progressSchema = z.object({ best: z.object({ step: z.number() }).nullable() });

/**
 * Keeps the best checkpoint of a tuning run as a model under `models`; returns its folder. The run may be deleted then.
 *
 * @throws UserError where the name is none or taken, the run still goes on, or it has no checkpoint
 */
export async function keepModel(dir: string, models: string, name: string): Promise<string> {
  if (!isModelName(name)) throw new UserError(`${name} cannot name a model; use letters, digits, ".", "_" and "-".`);
  const output = path.join(models, name);
  if ((await readdir(output).catch(() => [])).length > 0)
    throw new UserError(`There is a model ${name} already; choose another name, or delete that model first.`);
  if (!isOver((await readStatus(dir)).state))
    throw new UserError('The run still goes on; stop it, or wait for its end.');
  const checkpoint = await bestCheckpoint(dir);
  if (!checkpoint) throw new UserError(`The run ${dir} has no checkpoint yet; let it make some steps first.`);
  await publishModel(checkpoint.dir, output, await cardOf(dir, name, checkpoint.step));
  return output;
}

/** What a kept model's card says: where it comes from, and how it did on held-out problems. */
async function cardOf(dir: string, name: string, step: number): Promise<string> {
  const { task, model, objective, seed, settings, device, versions } = await readConfiguration(dir);
  const { before, after } = resultSchema.parse(await readJson(runFile(dir).result).catch(() => ({})));
  const row = (metric: string) => `| ${metric} | ${shown(before?.[metric])} | ${shown(after?.[metric])} |`;
  return [
    '---',
    'library_name: unmask',
    'tags: [masked-diffusion, reinforcement-learning]',
    `base_model: ${model}`,
    '---',
    '',
    `# ${name}`,
    '',
    `${model}, tuned on ${task} with ${objective}: the weights after step ${step} of the run ${path.basename(dir)}, seed ${seed}, on ${device.engine} ${device.device} by unmask ${versions.unmask ?? 'of an unknown version'}.`,
    '',
    ...(after
      ? [
          'Held-out problems, before the first step and after the last:',
          '',
          '| metric | before | after |',
          '|---|---|---|',
        ]
      : []),
    ...Object.keys(after ?? {}).map(row),
    ...(after ? [''] : []),
    '## Settings',
    '',
    '| setting | value |',
    '|---|---|',
    ...Object.entries(settings).map(([setting, value]) => `| \`${setting}\` | ${JSON.stringify(value)} |`),
    '',
  ].join('\n');
}

const interval = z.object({ value: z.number(), low: z.number(), high: z.number() });
const metrics = z.record(z.string(), interval).nullish();
const resultSchema = z.object({ before: metrics, after: metrics });

const shown = (metric: Interval | undefined): string =>
  metric ? `${metric.value.toFixed(3)} [${metric.low.toFixed(3)}, ${metric.high.toFixed(3)}]` : 'not measured';
