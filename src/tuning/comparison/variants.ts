import { UsageError } from '../../platform/errors.ts';
import { readSettings } from '../../platform/settings.ts';
import { objectiveByName } from '../objectives/registry.ts';
import { type FullTuningSettings, tuningSettings } from '../settings.ts';

/** What a comparison runs: an objective with the settings of all, or with some of its own. */
export interface Variant {
  /** As it was asked for, `NAME` or `NAME:setting=value:…`; it names rows. */
  readonly label: string;
  readonly objective: string;
  readonly settings: FullTuningSettings;
}

/** Reads a label; throws a `UsageError` for an unknown objective, a wrong setting, or one that is tried out for each. */
export async function variantOf(label: string, settings: FullTuningSettings): Promise<Variant> {
  const [name, ...pairs] = label.split(':') as [string, ...string[]];
  const { name: objective } = objectiveByName(name);
  if (pairs.some((pair) => pair.startsWith('learning_rate=')))
    throw new UsageError(`${label}: the learning rate is tried out for each objective; leave it out.`);
  return { label, objective, settings: await readSettings(tuningSettings, { pairs }, settings) };
}

/** A label as part of a file's name, on every system. */
export const fileNameOf = (label: string): string => label.replaceAll(':', '+');
