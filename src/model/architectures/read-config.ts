import { UserError } from '../../platform/errors.ts';
import { isAutoregressive, type ModelConfig, parseConfig } from '../config.ts';
import type { Architecture } from './architecture.ts';
import { llama, qwen2, qwen3 } from './autoregressive.ts';
import { sdar, stableDiffCoder } from './block-diffusion.ts';
import type { Description } from './description.ts';
import { llada } from './llada.ts';
import { lladaMoe } from './llada-moe.ts';
import { llada2Moe } from './llada2-moe.ts';
import { PublishedConfig, refuseRopeScaling, refuseUnsupported } from './published-config.ts';
import { a2dQwen2, a2dQwen3, dream } from './qwen.ts';
import { assertHasMask, type PublishedTokens, readSpecialTokens } from './special-tokens.ts';

/** The families of published models that are read. To add a family, add a file to this folder and list it here. */
const published: readonly Architecture[] = [
  a2dQwen2,
  a2dQwen3,
  dream,
  llada,
  lladaMoe,
  llada2Moe,
  llama,
  qwen3,
  sdar,
  stableDiffCoder,
];

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
  const file = description.location('config.json');
  const content = await description.read('config.json');
  if (content === undefined) throw new UserError(`${file} does not exist; give a folder with config.json and weights.`);
  const fields = (typeof content === 'object' && content !== null ? content : {}) as Record<string, unknown>;
  if (fields.model_type === own) return { config: parseConfig(content, file), architecture: null };
  const named = architectureOf(fields);
  if (!named)
    throw new UserError(
      `${file}: model_type ${JSON.stringify(fields.model_type)} is not supported; known are ${[own, ...published.flatMap(({ types }) => types)].join(', ')}.`,
    );
  const config = new PublishedConfig(file, fields);
  const tokens = await readSpecialTokens(description, config);
  // A Qwen2 that was made bidirectional keeps the name; only its mask token distinguishes it from a plain one. An exported conversion
  // has a mask too, but is a plain one otherwise.
  const isPlain = tokens.mask === undefined || fields.attention === 'causal-context';
  const architecture = fields.model_type === 'qwen2' && isPlain ? qwen2 : named;
  return { config: ours(architecture, config, tokens), architecture };
}

function architectureOf(fields: Record<string, unknown>): Architecture | undefined {
  const { model_type: type, architectures, d_model, num_experts } = fields;
  const named = Array.isArray(architectures) ? architectures[0] : undefined;
  const byClass = published.find(({ classes = [] }) => classes.includes(named));
  if (byClass) return byClass;
  // LLaDA-MoE is published under the name of LLaDA, whose fields it does not have.
  if (type === 'llada' && d_model === undefined && num_experts !== undefined) return lladaMoe;
  return published.find(({ types }) => types.includes(type as string));
}

/** A published configuration as one of ours. What it says itself of shift, attention and block goes before the family's. */
function ours(architecture: Architecture, config: PublishedConfig, { mask, eos, pad }: PublishedTokens): ModelConfig {
  refuseUnsupported(config);
  if (!architecture.scalesPositions) refuseRopeScaling(config);
  const make = architecture.make(config);
  const declared = Object.fromEntries(
    ['logit_shift', 'attention', 'block_size'].flatMap((name) => {
      const value = config.get(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const denoises = !isAutoregressive({ ...make, ...declared });
  if (denoises) assertHasMask(config, mask);
  const otherTokens = Object.entries(config.fields).filter(
    ([name, value]) => name.endsWith('_token_id') && Number.isSafeInteger(value),
  );
  return parseConfig(
    {
      architectures: [denoises ? 'UnmaskForMaskedDiffusion' : 'UnmaskForCausalLM'],
      model_type: own,
      ...make,
      ...declared,
      ...Object.fromEntries(otherTokens),
      ...(mask === undefined ? {} : { mask_token_id: mask }),
      eos_token_id: eos,
      pad_token_id: pad,
      initializer_range: config.positive('initializer_range', 0.02),
      published_config: config.fields,
    },
    config.file,
  );
}
