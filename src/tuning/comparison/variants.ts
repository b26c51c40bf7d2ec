import { UsageError } from '../../platform/errors.ts';
import { readSettings } from '../../platform/settings.ts';
import { objectiveByName } from '../objectives/registry.ts';
import { type FullTuningSettings, tuningSettings } from '../settings.ts';

/** A variant in a comparison: an objective, with the common settings or some of its own. */
export interface Variant {
  /** `NAME` or `NAME:setting=value:…`, as the user wrote it; it identifies rows. */
  readonly label: string;
  readonly objective: string;
  readonly settings: FullTuningSettings;
}

/**
 * Parses a label. Throws a `UsageError` for an unknown objective, a wrong setting, or the learning rate, which is
 * tried for each variant.
 */
export async function variantOf(label: string, settings: FullTuningSettings): Promise<Variant> {
  const [name, ...pairs] = label.split(':') as [string, ...string[]];
  const { name: objective } = objectiveByName(name);
  if (pairs.some((pair) => pair.startsWith('learning_rate=')))
    throw new UsageError(`${label}: the learning rate is chosen by trials for each objective; leave it out.`);
  return { label, objective, settings: await readSettings(tuningSettings, { pairs }, settings) };
}

/** A label as part of a file name that is valid on every system. */
export const fileNameOf = (label: string): string => label.replaceAll(':', '+');
