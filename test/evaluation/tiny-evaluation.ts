import type { EvaluationRequest } from '../../src/evaluation/prepared-evaluation.ts';
import { evaluationSettings } from '../../src/evaluation/settings.ts';

/** Sudokus for a tiny model, in several batches. */
export function tinyEvaluation(model: string, changes: Partial<EvaluationRequest> = {}): EvaluationRequest {
  return {
    task: 'sudoku4x4',
    model,
    data: null,
    limit: 150,
    skipBroken: false,
    heldOut: false,
    samples: 2,
    seed: 3,
    asReleased: false,
    settings: evaluationSettings.parse({}),
    ...changes,
  };
}
