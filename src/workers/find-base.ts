import { resolveModel } from '../catalogue/resolve-model.ts';
import { UserError } from '../platform/errors.ts';
import { isPath } from '../platform/model-name.ts';
import { packageVersion } from '../platform/package-root.ts';
import { tasks } from '../tasks/registry.ts';
import { baseModelDigest } from './announced-run.ts';
import type { AnnouncedRun } from './messages.ts';

/**
 * The folder of a run's base model on this machine. `model` is the one that the user named for runs whose model is not found by its
 * name. Throws a `UserError` that names what this worker lacks: the version, the task or the model.
 */
export async function findBase(
  { run, task, version, model: announced }: AnnouncedRun,
  model: string | undefined,
): Promise<string> {
  if (version !== packageVersion())
    throw new UserError(`${run} needs unmask ${version}, and this worker has ${packageVersion()}.`);
  if (!tasks.some(({ name }) => name === task))
    throw new UserError(`${run} needs the task ${task}, which this worker does not have.`);
  // A folder that somebody else names is not opened.
  const names = [model, isPath(announced.name) ? undefined : announced.name].filter((name) => name !== undefined);
  for (const name of names) {
    const resolved = await resolveModel(name).catch((error: unknown) => {
      if (error instanceof UserError) return null;
      throw error;
    });
    if (!resolved) continue;
    const base = resolved.adapter ? await resolveModel(resolved.base) : resolved;
    if ((await baseModelDigest(base, base)) === announced.digest) return base.folder;
  }
  throw new UserError(
    `${run} needs the model ${announced.name} (${announced.digest}), which this worker does not have; install the same version of it, or name its folder with --model.`,
  );
}
