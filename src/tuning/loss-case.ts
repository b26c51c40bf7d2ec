import { z } from 'zod';
import { type ModelConfig, maskToken } from '../model/config.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { count } from '../platform/amounts.ts';
import { UsageError, UserError } from '../platform/errors.ts';
import { invalidValue } from '../platform/invalid-value.ts';
import { optimizerOf } from '../training/optimizer-settings.ts';
import { Trainer } from '../training/trainer.ts';
import { groupAdvantages } from './advantages.ts';
import type { Objective, ScoredCompletion } from './objectives/objective.ts';
import { tuningSettings } from './settings.ts';

const ids = z.array(z.int().nonnegative());

/** A hand-written case: one group of completions with rewards and masks, from which an objective's loss can be checked. */
export const lossCaseSchema = z.strictObject({
  prompt: ids,
  completions: z.array(ids.min(1)).min(1),
  rewards: z.array(z.number()),
  /** [completion][sample][position]: 1 if the token at this position of prompt and completion is masked. */
  masks: z.array(z.array(z.array(z.literal([0, 1]))).min(1)),
  settings: tuningSettings.partial().prefault({}),
});

export type LossCase = z.infer<typeof lossCaseSchema>;

/** Parses a case. Throws a `UserError` that names the invalid field. */
export function parseLossCase(
  value: unknown,
  file: string,
  { vocab_size: vocabulary, eos_token_id: eos }: Pick<ModelConfig, 'vocab_size' | 'eos_token_id'>,
): LossCase {
  const parsed = lossCaseSchema.safeParse(value, { error: invalidValue });
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw new UserError(`${file}: ${path.join('.') || 'the case'} ${message}.`);
  }
  const { prompt, completions, rewards, masks } = parsed.data;
  const unknownToken = [prompt, ...completions].flat().find((id) => id >= vocabulary);
  if (unknownToken !== undefined)
    throw new UserError(`${file}: token ${unknownToken} is beyond the model's vocabulary of ${vocabulary}.`);
  if (rewards.length !== completions.length || masks.length !== completions.length)
    throw new UserError(
      `${file}: the case has ${count(completions.length, 'completion')}, ${count(rewards.length, 'reward')} and ${count(masks.length, 'list')} of masks; give one reward and one list of masks for each completion.`,
    );
  const samples = masks[0]!.length;
  masks.forEach((ofCompletion, j) => {
    if (ofCompletion.length !== samples)
      throw new UserError(
        `${file}: masks.${j} has ${count(ofCompletion.length, 'mask')} and masks.0 has ${samples}; give every completion the same number.`,
      );
    ofCompletion.forEach((mask, s) => {
      const completion = completions[j]!;
      const total = prompt.length + completion.length;
      if (mask.length !== total)
        throw new UserError(
          `${file}: masks.${j}.${s} covers ${count(mask.length, 'token')}, but prompt and completion have ${total}; give one value for each token.`,
        );
      if (!mask.slice(prompt.length, prompt.length + textLength(completion, eos)).includes(1))
        throw new UserError(
          `${file}: masks.${j}.${s} masks no token of the completion's text, so the loss is undefined; mask at least one.`,
        );
    });
  });
  return parsed.data;
}

/** Number of tokens up to and including the first end of text; all tokens if there is none. */
function textLength(completion: readonly number[], eos: number): number {
  const end = completion.indexOf(eos);
  return end === -1 ? completion.length : end + 1;
}

/** Loss of a case under an objective, with the estimate and advantage of every completion. Does not change the model. */
export async function lossOfCase(
  model: LanguageModel,
  objective: Objective,
  { prompt, completions, rewards, masks, settings: requested }: LossCase,
) {
  const { pad_token_id: pad, eos_token_id: eos } = model.config;
  const mask = maskToken(model.config);
  const defaults = tuningSettings.parse(requested);
  const length = Math.max(...completions.map((completion) => completion.length));
  model.checkLength(prompt.length + length);
  const settings = { ...defaults, length, block: Math.min(defaults.block ?? length, length) };
  const { advantages } = groupAdvantages(rewards, rewards.length);
  const scored = completions.map(
    (completion, j): ScoredCompletion => ({
      prompt: Int32Array.from(prompt),
      tokens: Int32Array.from(completion),
      length: textLength(completion, eos),
      advantage: advantages[j] as number,
    }),
  );
  const samples = masks.map((ofCompletion) => ofCompletion.map((bits) => Uint8Array.from(bits)));
  if (!objective.fromMasks)
    throw new UsageError(
      `${objective.name} depends on more than masks and rewards, so its loss cannot be computed from a case; choose another objective.`,
    );
  const { batch, logp } = objective.fromMasks(scored, samples, settings, { mask, pad });
  const trainer = new Trainer(model, objective.loss, optimizerOf(settings, model.trained.keys(), 1));
  const { loss, metrics } = await trainer.evaluate(batch);
  await trainer.dispose();
  return { loss, logp: logp(metrics), advantages };
}
