import path from 'node:path';
import { UserError } from '../../platform/errors.ts';
import { readJson } from '../../platform/files.ts';
import { type ModelConfig, parseConfig, type SpecialTokens } from '../config.ts';
import type { Architecture } from './architecture.ts';
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
 * Reads `config.json` of a checkpoint folder, ours or a published model's. Throws a `UserError` that names the file and the
 * field that is wrong or not supported.
 */
export async function readConfig(folder: string): Promise<ReadConfig> {
  const file = path.join(folder, 'config.json');
  const { architecture, published: fields, content } = familyOf(await readJson(file), file);
  if (!architecture) return { config: parseConfig(content, file), architecture };
  // What is not supported is told before what is missing.
  configAlone(content, file);
  return { config: ours(architecture, fields, await readSpecialTokens(folder, fields)), architecture };
}

/**
 * What `config.json` alone says of a model: whether its make is supported, and how large it is. Special tokens that only other
 * files name stand as 0. Throws as `readConfig` does.
 */
export function configAlone(json: unknown, file: string): ModelConfig {
  const { architecture, published: fields, content } = familyOf(json, file);
  return architecture ? ours(architecture, fields, { mask: 0, eos: 0, pad: 0 }) : parseConfig(content, file);
}

/** The family of a configuration; null: it is one of ours. */
function familyOf(content: unknown, file: string) {
  const fields = (typeof content === 'object' && content !== null ? content : {}) as Record<string, unknown>;
  const architecture = fields.model_type === own ? null : architectureOf(fields);
  if (architecture === undefined)
    throw new UserError(
      `${file}: model_type ${JSON.stringify(fields.model_type)} is not supported; known are ${[own, ...published.flatMap(({ types }) => types)].join(', ')}.`,
    );
  return { architecture, published: new PublishedConfig(file, fields), content };
}

function architectureOf({ model_type: type, d_model, num_experts }: Record<string, unknown>): Architecture | undefined {
  // LLaDA-MoE is published under the name of LLaDA, whose fields it does not have.
  if (type === 'llada' && d_model === undefined && num_experts !== undefined) return lladaMoe;
  return published.find(({ types }) => types.includes(type as string));
}

/** A published configuration as one of ours. What it says itself of shift, attention and block goes before the family's. */
function ours(architecture: Architecture, config: PublishedConfig, { mask, eos, pad }: SpecialTokens): ModelConfig {
  refuseUnsupported(config);
  const stated = ['logit_shift', 'attention', 'block_size'].filter((name) => config.get(name) !== undefined);
  const statedTokens = Object.entries(config.fields).filter(
    ([name, value]) => name.endsWith('_token_id') && Number.isSafeInteger(value),
  );
  return parseConfig(
    {
      architectures: ['UnmaskForMaskedDiffusion'],
      model_type: own,
      ...architecture.make(config),
      ...Object.fromEntries(stated.map((name) => [name, config.get(name)])),
      mask_token_id: mask,
      eos_token_id: eos,
      pad_token_id: pad,
      ...Object.fromEntries(statedTokens),
      initializer_range: config.positive('initializer_range', 0.02),
      published_config: config.fields,
    },
    config.file,
  );
}
