import { UsageError } from '../../platform/errors.ts';
import type { Objective } from './objective.ts';
import { spgObjectives } from './spg.ts';

/** Every policy-gradient method, in the order in which they are listed. */
export const objectives: readonly Objective[] = [...spgObjectives];

/** The method of a name; throws a `UsageError` that names the known ones. */
export function objectiveByName(name: string): Objective {
  const objective = objectives.find((candidate) => candidate.name === name);
  if (!objective)
    throw new UsageError(
      `Unknown objective ${name}; the objectives are ${objectives.map((known) => known.name).join(', ')}.`,
    );
  return objective;
}
