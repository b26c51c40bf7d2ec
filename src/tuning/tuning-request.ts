import type { FullTuningSettings } from './settings.ts';

/** A request for a tuning run. It is stored in `run.json`, so that the run can be resumed. */
export interface TuningRequest {
  readonly task: string;
  readonly objective: string;
  readonly model: string;
  readonly steps: number | null;
  readonly timeLimit: number | null;
  readonly seed: number;
  readonly settings: FullTuningSettings;
  /** File of training problems, for tasks that do not generate problems. */
  readonly data: string | null;
  /** Number of held-out problems for the evaluation before and after training; 0: no evaluation. */
  readonly testProblems: number;
}
