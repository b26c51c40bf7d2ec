/**
 * AutoEdit, the idea of ReflectDrive-2 (arXiv 2605.04647) applied to text. A completion is drafted by denoising. Then
 * the model reads the whole unmasked draft, predicts a token at every position and replaces some; nothing is masked
 * again. A token v sampled at position i replaces x_i if v differs and pi(v | draft) > `edit_threshold`. There are at
 * most `edit_passes` passes. The reward is that of the edited text, and the policy gradient covers both kinds of
 * transition:
 *
 *     log pi(rollout) = sum_t log pi(tokens of step t | canvas before it) + sum over committed edits log pi(v | draft)
 *
 * in clipped terms of one sequence each (GRPO's, arXiv 2402.03300). `trace_steps` of the T unmasking steps are sampled
 * with the weight T / K, so that their sum is unbiased. The probability of keeping a position is left out, as in the
 * description that this follows. Evaluations measure drafts, without edits. In the first `repair_steps` steps the
 * rollouts are only measured, and the model learns to repair: solutions of their problems (or the group's best
 * completions, if there are none) are corrupted in typical ways and predicted at all positions. Uncertain: the
 * clipping, the group size and the number of passes of the paper were not found; here clipping is 0.2 and there is no
 * divergence.
 */
import { editTokens } from '../../diffusion/fill-at-once.ts';
import { readCompletion } from '../../evaluation/answers.ts';
import { Random } from '../../platform/random.ts';
import { joinContext } from '../likelihoods/canvas-batch.ts';
import { corrupt } from '../likelihoods/corruptions.ts';
import { divergenceWeight } from '../likelihoods/reference.ts';
import { scoreMetrics, weightedScores } from '../likelihoods/score-losses.ts';
import type { ScoredSequence } from '../likelihoods/scored-sequences.ts';
import { sequenceBatches } from '../likelihoods/sequence-update.ts';
import { stepSequence, traceLength } from '../likelihoods/trace-views.ts';
import { type Edit, generateRollouts, type Rollout } from '../rollouts.ts';
import { beginClipped, type ClippedMethod, type ClippedTerm, clippedLoss, withSignal } from './clipped-method.ts';
import type { MethodRun, Objective, PreparedUpdates, ScoredRollout, StepRollouts } from './objective.ts';

const method: ClippedMethod = {
  name: 'autoedit',
  unit: 'sequence',
  penalty: 'k3',
  logProbs: 'sampling',
  defaults: { low: 0.2, high: 0.2, kl: 0 },
  terms(rollouts, inner, { settings, specialTokens }, kl) {
    const random = rollouts.random('trace steps', inner);
    const weight = 1 / (rollouts.completions.length * settings.length);
    return withSignal(rollouts, kl).flatMap(({ rollout, advantage }): ClippedTerm[] => {
      const steps = traceLength(rollout);
      const count = Math.min(settings.trace_steps, steps);
      return [
        ...random.sample(steps, count).map((step) => ({
          sequence: stepSequence(rollout, step, specialTokens.mask),
          advantage,
          weights: (weight * steps) / count,
        })),
        ...(rollout.edits ?? [])
          .filter(({ positions }) => positions.length > 0)
          .map((edit) => ({ sequence: editSequence(rollout, edit), advantage, weights: weight })),
      ];
    });
  },
};

export const autoedit: Objective = {
  name: method.name,
  paper: 'arXiv 2605.04647',
  description: 'AutoEdit: drafts are edited in full, and unmasking and editing share the reward of the edited text',
  loss: clippedLoss(method),
  generatesRollouts: true,
  isClipped: true,
  fillsCanvases: true,
  check: (settings) => void divergenceWeight(method.name, settings, method.defaults.kl),
  begin(run) {
    const clipped = beginClipped(method, run);
    return {
      ...clipped,
      async rollOut(jobs, _step, hooks) {
        return applyEdits(await generateRollouts(run.model, jobs, hooks), run);
      },
      async prepare(rollouts) {
        if (rollouts.step > run.settings.repair_steps) return clipped.prepare(rollouts);
        await clipped.updateReference(rollouts.step);
        return repairUpdates(rollouts, run);
      },
    };
  },
};

/** Applies the edit passes to rollouts. A text that a pass does not change gets no further pass. */
async function applyEdits(
  drafts: readonly Rollout[],
  { model, settings, specialTokens: { mask } }: MethodRun,
): Promise<Rollout[]> {
  const results = drafts.map((draft) => ({ ...draft, edits: [] as Edit[] }));
  let active = results.map((_, index) => index);
  for (let pass = 0; pass < settings.edit_passes && active.length > 0; pass++) {
    const logits = await model.logits(
      active.map((index) => {
        const rollout = results[index] as Rollout;
        const { tokens, promptLength, suffixLength } = joinContext(rollout, rollout.tokens);
        return {
          tokens,
          positions: Array.from(rollout.tokens, (_, position) => promptLength + position),
          canvas: promptLength,
          suffix: suffixLength,
        };
      }),
    );
    active = active.filter((index, row) => {
      const rollout = results[index] as (typeof results)[number];
      const random = new Random(rollout.job.seed, 'edit', pass);
      const before = rollout.tokens;
      const { temperature, edit_threshold: threshold } = settings;
      const { tokens, positions } = editTokens(before, logits[row] as Float32Array, {
        temperature,
        threshold,
        mask,
        random,
      });
      const edit: Edit = { before, positions, tokens: positions.map((position) => tokens[position] as number) };
      const { completion, length } = readCompletion(model, { tokens });
      const edits = [...rollout.edits, edit];
      results[index] = { ...rollout, tokens, completion, length, forwards: rollout.forwards + 1, edits };
      return positions.length > 0;
    });
  }
  return results;
}

/** The committed edits of a pass: the log-probabilities of the new tokens, given the whole draft. */
function editSequence(rollout: Rollout, { before, positions, tokens }: Edit): ScoredSequence {
  const targets = before.slice();
  const weights = new Float32Array(before.length);
  positions.forEach((position, index) => {
    targets[position] = tokens[index] as number;
    weights[position] = 1;
  });
  return [{ ...joinContext(rollout, before), targets, weights }];
}

/** Supervised updates: from corrupted texts to the original ones, with every position predicted. */
function repairUpdates({ completions, random }: StepRollouts, run: MethodRun): PreparedUpdates {
  const clean = completions.map((completion) => ({ completion, text: cleanText(completion, completions, run) }));
  return {
    async update(inner) {
      const damage = random('repair', inner);
      const entries = clean.map(({ completion, text }) => {
        const damaged = corrupt(text, damage, (token, step) => digit(token, step, run));
        const weights = new Float32Array(text.length).fill(1 / text.length);
        const view = { ...joinContext(completion, damaged), targets: text, weights };
        return { sequence: [view], values: { weights: -1 / clean.length } };
      });
      const { micro_batch: size } = run.settings;
      return {
        batches: sequenceBatches(entries, { size, pad: run.specialTokens.pad, loss: weightedScores }),
        metrics: scoreMetrics(entries),
      };
    },
  };
}

/** The solution, padded with end-of-text tokens; if it is unknown, the best completion of the group. */
function cleanText({ rollout, group }: ScoredRollout, all: readonly ScoredRollout[], run: MethodRun): Int32Array {
  const { length } = run.settings;
  const solution = run.solution(rollout.job);
  const tokens = solution === null ? [] : run.model.tokenizer.encode(solution);
  if (solution !== null && tokens.length <= length) {
    const { eom_token_id: endOfMiddle, eos_token_id: endOfText } = run.model.config;
    const text = new Int32Array(length).fill(endOfMiddle ?? endOfText);
    text.set(tokens);
    return text;
  }
  const peers = all.filter((other) => other.group === group);
  return peers.reduce((best, other) => (other.reward > best.reward ? other : best)).tokens;
}

function digit(token: number, step: 1 | -1, { model }: MethodRun): number | null {
  const text = model.tokenizer.decode([token]);
  if (!/^\d$/.test(text)) return null;
  const [other] = model.tokenizer.encode(String((Number(text) + step + 10) % 10));
  return other ?? null;
}
