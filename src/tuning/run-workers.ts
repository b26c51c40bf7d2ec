import type { LanguageModel } from '../model/language-model.ts';
import type { ResolvedModel } from '../model/resolved-model.ts';
import { UsageError, UserError } from '../platform/errors.ts';
import type { RunningJob } from '../runs/run-job.ts';
import type { Task } from '../tasks/task.ts';
import type { Objective } from './objectives/objective.ts';
import type { PolicyWeights } from './past-policies.ts';
import type { GenerateBatches, RolloutJob } from './rollouts.ts';
import type { FullTuningSettings } from './settings.ts';

/** Workers that a run shares its rollouts and rewards with. */
export interface RunWorkers {
  /** Throws a `UserError` or `UsageError` if workers cannot help a run on this model. `base` is the model that the run started from. */
  check(model: LanguageModel, base: ResolvedModel): Promise<void>;
  /** Offers the jobs of a run to the workers. */
  open(run: SharedRun): Promise<OpenWorkers>;
}

export interface SharedRun {
  readonly job: RunningJob;
  readonly model: LanguageModel;
  /** The model that the run started from. */
  readonly base: ResolvedModel;
  readonly task: Task;
  /** Number of steps by which the policy that generates may be older than the current one. */
  readonly staleness: number;
}

export interface OpenWorkers {
  readonly generate: GenerateBatches;
  /** Lets workers generate the groups of a later step with this policy before `generate` is called for that step. */
  offer(step: number, groups: readonly (readonly RolloutJob[])[], weights: PolicyWeights | undefined): Promise<void>;
  /** The task, whose rewards workers compute too. */
  readonly task: Task;
  /** Metrics of the step: which share each worker had, and how long the run waited. */
  takeMetrics(): Readonly<Record<string, number>>;
  /** `finished`: the run does not go on. */
  close(options: { readonly finished: boolean }): Promise<void>;
}

/** Throws a `UsageError` if workers cannot generate the rollouts of a run, and a `UserError` if a resumed run has other batches. */
export function checkSharing(
  { name, generatesRollouts }: Objective,
  { rollout_batch: batch }: Pick<FullTuningSettings, 'rollout_batch'>,
): void {
  if (generatesRollouts)
    throw new UsageError(`${name} generates its rollouts itself, which workers cannot do; leave out --workers.`);
  if (batch !== 'group')
    throw new UserError(
      'This run generates all problems of a step in one batch, but workers generate one problem each, which rounds differently; start a new run with --workers, or resume this one without it.',
    );
}
