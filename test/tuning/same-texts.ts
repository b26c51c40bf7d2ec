import assert from 'node:assert/strict';
import type { LanguageModel } from '../../src/model/language-model.ts';
import type { Objective } from '../../src/tuning/objectives/objective.ts';
import { generateRollouts, type Rollout } from '../../src/tuning/rollouts.ts';
import { assertNear } from '../model/assert-near.ts';

/**
 * Makes several runs of an objective see the same texts. The first run generates them; the following ones reuse its
 * rollouts and, where the method itself draws tokens from `LanguageModel.logits`, its logits. Without this, two ways of
 * computing the same sum can round to either side of a draw, and from the first different token on the runs have nothing
 * in common. Runs that follow still compute their own logits, which must agree with the first run's.
 *
 * @returns a function that gives the objective for the next run
 */
export function sameTexts(objective: Objective): () => Objective {
  const rollouts = new Map<number, Rollout[]>();
  const calls: { readonly queries: unknown; readonly logits: Float32Array[] }[] = [];

  return () => {
    let call = 0;
    const logits = async (model: LanguageModel, queries: Parameters<LanguageModel['logits']>[0]) => {
      const own = await model.logits(queries);
      calls[call] ??= { queries: structuredClone(queries), logits: own };
      const first = calls[call++]!;
      assert.deepEqual(queries, first.queries, 'every run requests the same logits');
      own.forEach((row, index) => {
        assertNear(row, first.logits[index]!, `logits ${call}, row ${index}`, 1e-3);
      });
      return first.logits;
    };
    return {
      ...objective,
      begin(run) {
        const model = new Proxy(run.model, {
          get(target, name) {
            if (name === 'logits') return (queries: Parameters<LanguageModel['logits']>[0]) => logits(target, queries);
            const value = Reflect.get(target, name, target);
            return typeof value === 'function' ? value.bind(target) : value;
          },
        });
        const method = objective.begin({ ...run, model });
        return {
          ...method,
          async rollOut(jobs, step) {
            const own = (await method.rollOut?.(jobs, step)) ?? (await generateRollouts(run.model, jobs));
            if (!rollouts.has(step)) rollouts.set(step, own);
            return rollouts.get(step) as Rollout[];
          },
        };
      },
    };
  };
}
