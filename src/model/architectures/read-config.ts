import { UserError } from '../../platform/errors.ts';
import { type ModelConfig, parseConfig } from '../config.ts';
import type { Architecture } from './architecture.ts';
import type { Description } from './description.ts';
import { llada } from './llada.ts';
import { lladaMoe } from './llada-moe.ts';
import { llada2Moe } from './llada2-moe.ts';
import { PublishedConfig, refuseUnsupported } from './published-config.ts';
import { a2dQwen2, a2dQwen3, dream } from './qwen.ts';
import { readSpecialTokens } from './special-tokens.ts';

/** The families of published models that are read. A new one is a file beside these and its place here. */
const published: readonly Architecture[] = [a2dQwen2, a2dQwen3, dream, llada, lladaMoe, llada2Moe];

/** Ours: checkpoints that were written here, or from such ones. */
const own = 'unmask';

/** A checkpoint's configuration, and how its weights are stored where that is not as ours are. */
export interface ReadConfig {
  readonly config: ModelConfig;
  readonly architecture: Architecture | null;
}

/**
 * Reads `config.json` of a checkpoint, ours or a published model's. Throws a `UserError` that names the file and the field
 * that is wrong or not supported.
 */
export async function readConfig(description: Description): Promise<ReadConfig> {
  const file = description.place('config.json');
  const content = await description.read('config.json');
  if (content === undefined) throw new UserError(`${file} does not exist; give a folder with config.json and weights.`);
  const fields = (typeof content === 'object' && content !== null ? content : {}) as Record<string, unknown>;
  if (fields.model_type === own) return { config: parseConfig(content, file), architecture: null };
  const architecture = architectureOf(fields);
  if (!architecture)
    throw new UserError(
      `${file}: model_type ${JSON.stringify(fields.model_type)} is not supported; known are ${[own, ...published.flatMap(({ types }) => types)].join(', ')}.`,
    );
  return { config: await ours(architecture, description, new PublishedConfig(file, fields)), architecture };
}

function architectureOf({ model_type: type, d_model, num_experts }: Record<string, unknown>): Architecture | undefined {
  // LLaDA-MoE is published under the name of LLaDA, whose fields it does not have.
  if (type === 'llada' && d_model === undefined && num_experts !== undefined) return lladaMoe;
  return published.find(({ types }) => types.includes(type as string));
}

/** A published configuration as one of ours. What it says itself of shift, attention and block goes before the family's. */
async function ours(
  architecture: Architecture,
  description: Description,
  config: PublishedConfig,
): Promise<ModelConfig> {
  refuseUnsupported(config);
  const make = architecture.make(config);
  const stated = ['logit_shift', 'attention', 'block_size'].filter((name) => config.get(name) !== undefined);
  const { mask, eos, pad } = await readSpecialTokens(description, config);
  const otherTokens = Object.entries(config.fields).filter(
    ([name, value]) => name.endsWith('_token_id') && Number.isSafeInteger(value),
  );
  return parseConfig(
    {
      architectures: ['UnmaskForMaskedDiffusion'],
      model_type: own,
      ...make,
      ...Object.fromEntries(stated.map((name) => [name, config.get(name)])),
      ...Object.fromEntries(otherTokens),
      mask_token_id: mask,
      eos_token_id: eos,
      pad_token_id: pad,
      initializer_range: config.positive('initializer_range', 0.02),
      published_config: config.fields,
    },
    config.file,
  );
}
