import type { LanguageModel } from '../model/language-model.ts';
import type { ResolvedModel } from '../model/resolved-model.ts';
import { contentDigest } from '../platform/content-digest.ts';
import { packageVersion } from '../platform/package-root.ts';
import type { SharedRun } from '../tuning/run-workers.ts';
import type { AnnouncedRun } from './messages.ts';
import { sharesRewards } from './shared-rewards.ts';

/** What workers are told about a run. Its id is the same when the run is resumed. */
export async function announcedRun({ job, model, base, task }: SharedRun): Promise<AnnouncedRun> {
  const { name, createdAt, seed } = job.run.configuration;
  return {
    id: contentDigest(`${name} ${createdAt} ${seed}`),
    run: name,
    task: task.name,
    version: packageVersion(),
    model: {
      name: base.adapter?.base.name ?? base.name,
      digest: await baseModelDigest(base, model),
      adapter: adapterOf(model),
    },
    rewards: sharesRewards(task),
  };
}

/** Identifies a base model: its weights, its configuration and its decoding defaults. */
export const baseModelDigest = async (
  base: Pick<ResolvedModel, 'baseDigest'>,
  { config, generation }: Pick<LanguageModel, 'config' | 'generation'>,
): Promise<string> => contentDigest(JSON.stringify([await base.baseDigest(), config, generation]));

function adapterOf({ adapter, precision }: LanguageModel): AnnouncedRun['model']['adapter'] {
  if (!adapter) return null;
  const { rank, alpha, targets, tokens } = adapter;
  return { rank, alpha, targets: [...targets], ...(tokens ? { tokens: [...tokens] } : {}), precision };
}
