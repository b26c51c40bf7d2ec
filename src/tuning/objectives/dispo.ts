/**
 * DiSPO, diffusion-state policy optimisation (arXiv 2602.06462): adds a loss to that of another objective (`inner`).
 * The added loss assigns credit to the tokens at a masked state. One state of each rollout is sampled, at progress s with
 * probability proportional to s^4 (`branch_lateness`). All of its masked positions are filled at once, independently,
 * from the predictions at that state, Z times (`branches`). Each filled text gets a reward, and
 *
 *     A_z = R_z - mean_z R,   logp(a | state) = E_m sum_{i filled} log pi(a_i | prompt masked by m, state)
 *     loss = inner + branch_weight ( - mean_z min(rho_z A_z, clip(rho_z, 0.8, 1.2) A_z) )
 *
 * Only newly filled tokens are scored. The gradient is an unbiased estimate of (Z - 1) / Z times that of the state's
 * expected reward. `mask_samples` prompt maskings are drawn with probability `clean_token_masking`. Tokens are
 * sampled, and scored, at the rollouts' temperature, from the pass on the unmasked prompt, so the estimate is exact if
 * `clean_token_masking` is 0. Left out: the divergence of the branch loss, which the paper inherits from diffu-GRPO
 * (`kl` sets it). The paper keeps the rollout's logits; here the state is evaluated again.
 */
import { fillAtOnce } from '../../diffusion/fill-at-once.ts';
import { UsageError } from '../../platform/errors.ts';
import type { Random } from '../../platform/random.ts';
import { divergenceWeight } from '../likelihoods/reference.ts';
import type { ScoredSequence, View } from '../likelihoods/scored-sequences.ts';
import { canvasIn, type MaskedQuery, maskedQuery, stateBefore, traceLength } from '../likelihoods/trace-views.ts';
import { beginClipped, type ClippedMethod, type ClippedTerm, clippedLoss } from './clipped-method.ts';
import type { MethodRun, Objective, ScoredRollout, StepRollouts } from './objective.ts';

/** DiSPO on top of any objective that `inner` finds. */
export function dispoOn(inner: (name: string) => Objective): Objective {
  const innerOf = (name: string) => {
    if (name === 'dispo') throw new UsageError('Setting inner = "dispo": dispo needs another objective.');
    return inner(name);
  };
  return {
    name: 'dispo',
    paper: 'arXiv 2602.06462',
    description: 'DiSPO: branches at a masked state, on top of the objective that the setting inner names',
    loss: clippedLoss(branchMethod),
    isClipped: true,
    fillsCanvases: true,
    check(settings, config) {
      innerOf(settings.inner).check?.(settings, config);
      divergenceWeight('dispo', settings, branchMethod.defaults.kl);
    },
    begin(run) {
      const innerObjective = innerOf(run.settings.inner);
      const base = innerObjective.begin(run);
      const branches = beginClipped(branchMethod, run);
      return {
        ...base,
        async prepare(rollouts) {
          const baseUpdates = await base.prepare(rollouts);
          const branchUpdates = await branches.prepare(rollouts);
          return {
            async update(index) {
              const ofBase = await baseUpdates.update(index);
              const ofBranches = await branchUpdates.update(index);
              const count = ofBase.batches.length;
              return {
                batches: [
                  ...ofBase.batches.map((batch) => ({ loss: innerObjective.loss, ...batch })),
                  ...ofBranches.batches,
                ],
                metrics: (result) => ({
                  ...(count > 0 ? ofBase.metrics({ ...result, metrics: result.metrics.slice(0, count) }) : {}),
                  ...prefixed(ofBranches.metrics({ ...result, metrics: result.metrics.slice(count) })),
                }),
              };
            },
          };
        },
        state: async () => new Map([...((await base.state?.()) ?? []), ...((await branches.state?.()) ?? [])]),
        dispose: async () => {
          await base.dispose?.();
          await branches.dispose?.();
        },
      };
    },
  };
}

const branchesOf = new WeakMap<StepRollouts, Promise<Branch[]>>();

const branchMethod: ClippedMethod = {
  name: 'dispo',
  unit: 'sequence',
  penalty: 'k3',
  logProbs: 'sampling',
  referenceName: 'branches.reference',
  defaults: { low: 0.2, high: 0.2, kl: 0 },
  async terms(rollouts, inner, run) {
    const { settings, specialTokens } = run;
    if (settings.branch_weight === 0) return [];
    if (!branchesOf.has(rollouts)) branchesOf.set(rollouts, branchOut(rollouts, run));
    const branches = (await branchesOf.get(rollouts)) as Branch[];
    const random = rollouts.random('prompt masks', inner);
    const weights = settings.branch_weight / branches.length;
    return branches
      .filter(({ advantage }) => advantage !== 0)
      .map(
        (branch): ClippedTerm => ({
          sequence: branchSequence(branch, { ...settings, mask: specialTokens.mask, random }),
          advantage: branch.advantage,
          weights,
        }),
      );
  },
};

/** A state, one way to fill it, and its advantage over the other ways. */
export interface Branch {
  readonly state: MaskedQuery;
  /** The completion's tokens. */
  readonly tokens: Int32Array;
  readonly advantage: number;
}

async function branchOut({ completions, random }: StepRollouts, run: MethodRun): Promise<Branch[]> {
  const { settings, model, specialTokens } = run;
  const draw = random('branches');
  const states = completions.map(({ rollout }) => pickState({ rollout, ...settings, mask: specialTokens.mask, draw }));
  const logits = await model.logits(states.map(({ state }) => state));
  const filled = states.flatMap(({ state, rollout }, index) =>
    Array.from({ length: settings.branches }, () => {
      const text = fillAtOnce(state.tokens, state.positions, logits[index] as Float32Array, {
        temperature: settings.temperature,
        mask: specialTokens.mask,
        random: draw,
      });
      return { state, job: rollout.job, tokens: canvasIn(text, state) };
    }),
  );
  const rewards = await run.reward(filled);
  return filled.map(({ state, tokens }, index) => {
    const first = index - (index % settings.branches);
    const siblings = rewards.slice(first, first + settings.branches);
    const mean = siblings.reduce((sum, reward) => sum + reward, 0) / siblings.length;
    const equal = siblings.every((reward) => reward === siblings[0]);
    return { state, tokens, advantage: equal ? 0 : (rewards[index] as number) - mean };
  });
}

/** A state of the trace, at progress s with probability proportional to s^lateness. */
function pickState({
  rollout,
  branch_lateness: lateness,
  mask,
  draw,
}: Pick<ScoredRollout, 'rollout'> & { branch_lateness: number; mask: number; draw: Random }) {
  const steps = traceLength(rollout);
  const weights = Array.from({ length: steps }, (_, step) => ((step + 1) / steps) ** lateness);
  let left = draw.uniform() * weights.reduce((sum, weight) => sum + weight, 0);
  let step = 0;
  while (step < steps - 1 && left >= (weights[step] as number)) left -= weights[step++] as number;
  return { rollout, state: maskedQuery(stateBefore(rollout, step, mask), mask) };
}

/** The filled tokens' log-probabilities at the state, averaged over maskings of the prompt. */
function branchSequence(
  { state: { tokens, canvas: prompt, suffix }, tokens: completion }: Branch,
  options: { mask_samples: number; clean_token_masking: number; mask: number; random: Random },
): ScoredSequence {
  const { mask_samples: samples, clean_token_masking: share, mask, random } = options;
  return Array.from({ length: share > 0 ? samples : 1 }, (): View => {
    const masked = tokens.slice();
    for (let position = 0; position < prompt; position++) if (random.uniform() < share) masked[position] = mask;
    const weight = share > 0 ? 1 / samples : 1;
    const weights = Float32Array.from(completion, (_, i) => (tokens[prompt + i] === mask ? weight : 0));
    return { tokens: masked, promptLength: prompt, suffixLength: suffix, targets: completion, weights };
  });
}

const prefixed = (metrics: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`branch_${name}`, value]));
