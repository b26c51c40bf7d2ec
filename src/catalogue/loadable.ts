import type { Description } from '../model/architectures/description.ts';
import { readConfig } from '../model/architectures/read-config.ts';
import type { ModelConfig } from '../model/config.ts';
import { messageOf, UserError } from '../platform/errors.ts';

/** Whether the runtime can load a model, by what its files say of it: what it is, or why not. */
export type Loadable =
  | { readonly config: ModelConfig; readonly problem: null }
  | { readonly config: null; readonly problem: string };

/** The one place where a model that is to be added, or is listed, is judged. */
export async function loadable(description: Description): Promise<Loadable> {
  try {
    return { config: (await readConfig(description)).config, problem: null };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { config: null, problem: messageOf(error) };
  }
}

/** Throws a `UserError` where a model cannot be loaded, unless it is to be added all the same. */
export function assertLoadable({ problem }: Loadable, force: boolean): void {
  if (problem !== null && !force)
    throw new UserError(`${problem.replace(/\.$/, '')}; nothing was added (--force adds it all the same).`);
}
