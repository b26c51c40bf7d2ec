import { adapterBaseName } from '../model/adapter-fields.ts';
import { type Description, inFolder } from '../model/architectures/description.ts';
import { readConfig } from '../model/architectures/read-config.ts';
import type { ModelConfig } from '../model/config.ts';
import { messageOf, UserError } from '../platform/errors.ts';
import { findModel } from './find-model.ts';
import { adapterConfig } from './model-files.ts';

/** Whether the runtime can load a model, judged by its configuration files. */
export type Loadable =
  | { readonly config: ModelConfig; readonly problem: null }
  | { readonly config: null; readonly problem: string };

/** Whether a model with these files can be loaded. An adapter can be loaded if its base is installed; it has the configuration of the base. */
export const loadable = (description: Description): Promise<Loadable> =>
  loadableIf(async () => {
    if ((await description.read('config.json')) !== undefined) return (await readConfig(description)).config;
    const adapter = await description.read(adapterConfig);
    if (adapter === undefined) return (await readConfig(description)).config;
    return (await readConfig(inFolder(await installedBase(adapter, description.location(adapterConfig))))).config;
  });

/** The folder of an adapter's base. Throws a `UserError` that says how to get it. */
async function installedBase(adapter: unknown, file: string): Promise<string> {
  const base = adapterBaseName(adapter, file);
  return findModel(base).catch(() => {
    throw new UserError(
      `${file} is an adapter of ${base}, which is not installed; add that model first with \`unmask models add ${base}\``,
    );
  });
}

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
