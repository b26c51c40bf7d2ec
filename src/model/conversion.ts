import { z } from 'zod';
import { UserError } from '../platform/errors.ts';
import { isAutoregressive, type ModelConfig } from './config.ts';

/**
 * What a conversion of an autoregressive base into a diffusion model changes in its configuration. Attention becomes
 * `causal-context`, so that the context's keys, values and last output remain those of the base (without an adapter exactly).
 * The tokens are reserved tokens of the base's vocabulary that get a new meaning.
 */
export const conversionSchema = z.strictObject({
  attention: z.literal('causal-context'),
  mask_token_id: z.int().nonnegative(),
  eom_token_id: z.int().nonnegative(),
  prefix_token_id: z.int().nonnegative(),
});

export type Conversion = z.infer<typeof conversionSchema>;

/**
 * The configuration of a converted base. Throws a `UserError` that begins with `file` if the base cannot be converted in this
 * way: it is not autoregressive, or has too few tokens.
 */
export function convertedConfig(base: ModelConfig, conversion: Conversion, file: string): ModelConfig {
  if (!isAutoregressive(base) || !base.logit_shift)
    throw new UserError(`${file} converts an autoregressive model, but its base is none; restore the base.`);
  const { mask_token_id: mask, eom_token_id: eom, prefix_token_id: prefix } = conversion;
  if (Math.max(mask, eom, prefix) >= base.vocab_size || new Set([mask, eom, prefix]).size < 3)
    throw new UserError(
      `${file}: mask, end of middle and prefix must be three tokens below ${base.vocab_size}, not ${mask}, ${eom} and ${prefix}; restore the file.`,
    );
  return { ...base, ...conversion, architectures: ['UnmaskForMaskedDiffusion'] };
}

/** What a converted model's configuration changes in that of its base; null for other models. */
export function conversionOf(config: ModelConfig): Conversion | null {
  const { attention, mask_token_id, eom_token_id, prefix_token_id } = config;
  const parsed = conversionSchema.safeParse({ attention, mask_token_id, eom_token_id, prefix_token_id });
  return parsed.success ? parsed.data : null;
}
