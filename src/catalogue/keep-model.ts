import { readdir } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { UserError } from '../platform/errors.ts';
import { readJson } from '../platform/files.ts';
import { checkDigests } from '../platform/folder-digests.ts';
import { isModelName } from '../platform/model-name.ts';
import type { Interval } from '../protocol/interval.ts';
import { bestCheckpoint } from '../runs/checkpoints.ts';
import { readConfiguration } from '../runs/directory.ts';
import { runFile } from '../runs/layout.ts';
import { isOver, readStatus } from '../runs/reader.ts';
import { publishModel } from './publish-model.ts';

/**
 * Copies the best checkpoint of a tuning run to a new model under `models` and returns its folder. The new model does
 * not depend on the run.
 *
 * @throws UserError if the name is invalid or taken, the run is active, or it has no checkpoint or a damaged one
 */
export async function keepModel(dir: string, models: string, name: string): Promise<string> {
  if (!isModelName(name))
    throw new UserError(`${name} is not a valid model name; use letters, digits, ".", "_" and "-".`);
  const output = path.join(models, name);
  if ((await readdir(output).catch(() => [])).length > 0)
    throw new UserError(`A model named ${name} exists already; choose another name, or remove that model first.`);
  if (!isOver((await readStatus(dir)).state))
    throw new UserError('The run is still active; stop it or wait until it ends.');
  const checkpoint = await bestCheckpoint(dir);
  if (!checkpoint) throw new UserError(`The run ${dir} has no checkpoint, so there is no model to keep.`);
  const check = await checkDigests(checkpoint.dir);
  if (check.state === 'damaged')
    throw new UserError(
      `The best checkpoint of ${dir}, of step ${checkpoint.step}, is damaged (${check.reason}), so it was not kept; restore it from a copy, or use another checkpoint of the run by its path.`,
    );
  await publishModel(checkpoint.dir, output, await cardOf(dir, name, checkpoint.step));
  return output;
}

/** The card of a kept model: its origin, its results on held-out problems and its settings. */
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
    `${model}, tuned on ${task} with ${objective}: the weights after step ${step} of the run ${path.basename(dir)}, seed ${seed}, on ${device.engine} ${device.device} by unmask ${versions.unmask ?? '(unknown version)'}.`,
    '',
    ...(after
      ? ['Held-out problems, before and after tuning:', '', '| metric | before | after |', '|---|---|---|']
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
