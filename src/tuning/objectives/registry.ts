import type { ModelConfig } from '../../model/config.ts';
import { UsageError } from '../../platform/errors.ts';
import type { FullTuningSettings } from '../settings.ts';
import { autoedit } from './autoedit.ts';
import { coupledGrpo } from './coupled-grpo.ts';
import { diffuGrpo } from './diffu-grpo.ts';
import { dispoOn } from './dispo.ts';
import { dtm } from './dtm.ts';
import { ebpo } from './ebpo.ts';
import { egspo, egspoSa } from './egspo.ts';
import { espo } from './espo.ts';
import type { Objective } from './objective.ts';
import { rspo } from './rspo.ts';
import { spgObjectives } from './spg.ts';
import { trafl } from './trafl.ts';
import { uniGrpo } from './unigrpo.ts';
import { vrpo } from './vrpo.ts';
import { wd1 } from './wd1.ts';

/** All policy-gradient methods, in the order in which they are listed. */
export const objectives: readonly Objective[] = [
  ...spgObjectives,
  diffuGrpo,
  wd1,
  uniGrpo,
  coupledGrpo,
  espo,
  vrpo,
  egspo,
  egspoSa,
  trafl,
  rspo,
  dtm,
  dispoOn(objectiveByName),
  autoedit,
  ebpo,
];

/** Throws a `UsageError` if an objective cannot work with these settings or this model, or does not use one of them. */
export function checkObjective(name: string, settings: FullTuningSettings, config: ModelConfig): void {
  const objective = objectiveByName(name);
  const { kl, clip_low, clip_high } = settings;
  // A divergence with the weight 0 is the same as none, which all methods support.
  const unused = Object.entries({ kl: kl || null, clip_low, clip_high }).find(([, value]) => value !== null);
  if (unused && !objective.isClipped)
    throw new UsageError(
      `${name} does not use ${unused.join(' = ')}, because it has no clipped ratio and no KL penalty; remove the setting, or choose another objective.`,
    );
  if (settings.infilling === 'editor' && objective.fillsCanvases)
    throw new UsageError(
      `${name} fills or edits whole canvases, so it cannot decode as in an editor; set infilling=canvas, or choose another objective.`,
    );
  objective.check?.(settings, config);
}

/** The method with a name. Throws a `UsageError` that lists the known ones. */
export function objectiveByName(name: string): Objective {
  const objective = objectives.find((candidate) => candidate.name === name);
  if (!objective)
    throw new UsageError(
      `Unknown objective ${name}; the objectives are ${objectives.map((known) => known.name).join(', ')}.`,
    );
  return objective;
}
