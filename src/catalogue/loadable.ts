import type { Description } from '../model/architectures/description.ts';
import { readConfig } from '../model/architectures/read-config.ts';
import type { ModelConfig } from '../model/config.ts';
import { messageOf, UserError } from '../platform/errors.ts';

/** Whether the runtime can load a model, judged by its configuration files. */
export type Loadable =
  | { readonly config: ModelConfig; readonly problem: null }
  | { readonly config: null; readonly problem: string };

/** Whether a model with these files can be loaded. */
export const loadable = (description: Description): Promise<Loadable> =>
  loadableIf(async () => (await readConfig(description)).config);

/** A model is loadable if `read` returns its configuration and throws no `UserError`. */
export async function loadableIf(read: () => Promise<ModelConfig>): Promise<Loadable> {
  try {
    return { config: await read(), problem: null };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { config: null, problem: messageOf(error) };
  }
}

/** Throws a `UserError` if a model cannot be loaded, unless the user forces it. */
export function assertLoadable({ problem }: { readonly problem: string | null }, force: boolean): void {
  if (problem !== null && !force)
    throw new UserError(`${problem.replace(/\.$/, '')}; nothing was added. Use --force to add it anyway.`);
}
