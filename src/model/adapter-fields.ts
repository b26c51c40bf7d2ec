import { z } from 'zod';
import { UserError } from '../platform/errors.ts';
import { invalidValue } from '../platform/invalid-value.ts';
import { checkPatterns, idlePatterns, scaleOf } from './adapter-patterns.ts';
import { type AdapterConfig, type LoraShape, type LoraTarget, loraTargets, parseTargets } from './lora.ts';

const tokenIds = z.array(z.int().nonnegative());

/** The fields of `adapter_config.json` that are used. */
const usedFields = z.looseObject({
  peft_type: z.string(),
  base_model_name_or_path: z.string().min(1).nullish(),
  r: z.int().positive(),
  lora_alpha: z.number().positive(),
  use_rslora: z.boolean().nullish(),
  rank_pattern: z.record(z.string(), z.int().positive()).nullish(),
  alpha_pattern: z.record(z.string(), z.number().positive()).nullish(),
  target_modules: z.union([z.string(), z.array(z.string())]).nullish(),
  layers_to_transform: z.unknown().optional(),
  exclude_modules: z.unknown().optional(),
  trainable_token_indices: z.union([tokenIds, z.record(z.string(), tokenIds)]).nullish(),
});

/** Fields of PEFT's LoRA for features that are not supported, and the values with which they are accepted. */
const refused: Readonly<Record<string, { readonly unless: (value: unknown) => boolean; readonly what: string }>> = {
  use_dora: { unless: isUnset, what: 'DoRA' },
  use_qalora: { unless: isUnset, what: 'QALoRA' },
  use_bdlora: { unless: isUnset, what: 'block-diagonal factors' },
  kasa_config: { unless: isUnset, what: 'KaSA' },
  arrow_config: { unless: isUnset, what: 'routing between adapters' },
  monteclora_config: { unless: isUnset, what: 'MonteCLoRA' },
  bias: { unless: (value) => isUnset(value) || value === 'none', what: 'trained biases' },
  lora_bias: { unless: isUnset, what: 'biases of the factors' },
  modules_to_save: { unless: isUnset, what: 'fully trained modules' },
  layer_replication: { unless: isUnset, what: 'repeated layers' },
  target_parameters: { unless: isUnset, what: 'adapters of bare parameters' },
  alora_invocation_tokens: { unless: isUnset, what: 'activated LoRA' },
  fan_in_fan_out: { unless: isUnset, what: 'transposed weights' },
  init_lora_weights: {
    unless: (value) => isUnset(value) || [true, 'gaussian', 'orthogonal', 'eva'].includes(value as string | boolean),
    what: 'an initialisation that changes the base',
  },
};

function isUnset(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** The name of an adapter's base. Throws a `UserError` if its configuration names none. */
export function adapterBaseName(content: unknown, file: string): string {
  const { base_model_name_or_path: name } = parse(usedFields, content, file);
  if (!name)
    throw new UserError(`${file} does not name its base; set base_model_name_or_path to a model's name or folder.`);
  return name;
}

/**
 * Rank, alpha and targets of an adapter from the fields of its `adapter_config.json`. Throws a `UserError` if a field is missing or not
 * supported.
 *
 * @param stored the names of the adapter's tensors; null: unknown
 */
export function parseShape(
  value: unknown,
  file: string,
  stored: readonly string[] | null,
): LoraShape & Pick<AdapterConfig, 'scales' | 'isPartial'> {
  const type = (value as { peft_type?: unknown } | null)?.peft_type;
  if (type !== 'LORA')
    throw new UserError(`${file}: peft_type ${JSON.stringify(type)} is not supported; adapters of type LORA are.`);
  for (const [field, { unless, what }] of Object.entries(refused)) {
    const setting = (value as Record<string, unknown>)[field];
    if (!unless(setting))
      throw new UserError(`${file}: ${field} = ${JSON.stringify(setting)} (${what}) is not supported; use plain LoRA.`);
  }
  const fields = parse(usedFields, value, file);
  const { target_modules: listed } = fields;
  const tokens = parseTokens(fields.trainable_token_indices ?? [], file);
  const trained = tokens.length > 0 ? { tokens } : {};
  const { rank, alpha, ...patterns } = parseScales(fields, file, stored ?? []);
  const names = typeof listed === 'string' ? [] : (listed ?? []);
  const held = heldTargets(stored ?? []);
  const isForeign = (stored ?? []).some((name) => lladaBlock.test(name));
  const isPattern =
    (typeof listed === 'string' && listed !== 'all-linear') ||
    names.some((name) => /\W/.test(name) || name in lladaTargets);
  const unknown = names.find((name) => /^\w+$/.test(name) && !isTarget(name) && !(name in lladaTargets));
  const isPartial = isForeign || isPattern || !isUnset(fields.layers_to_transform) || !isUnset(fields.exclude_modules);
  if (isPartial && held.length > 0 && unknown === undefined) {
    const idle = names.filter((name) => isTarget(name) && !held.includes(name));
    if (idle.length > 0)
      process.emitWarning(`${file}: target_modules lists ${idle.join(', ')}, but the adapter holds nothing for them.`);
    const targets = loraTargets.filter((target) => held.includes(target));
    return { rank, alpha, targets, isPartial, ...trained, ...patterns };
  }
  if (typeof listed === 'string' && listed !== 'all-linear')
    throw new UserError(
      `${file}: target_modules ${JSON.stringify(listed)} matches no projection of the adapter's tensors.`,
    );
  const named = listed === 'all-linear' ? loraTargets : names;
  const targets = parseTargets(named, (why) => new UserError(`${file}: target_modules: ${why}`));
  return { rank, alpha, targets, ...trained, ...patterns };
}

/**
 * Rank and alpha of an adapter. If its modules have different ones, the rank is the largest, and `scales` has the factors that are needed to read
 * the others.
 */
function parseScales(fields: z.infer<typeof usedFields>, file: string, stored: readonly string[]) {
  const [rankPattern, alphaPattern] = [fields.rank_pattern ?? {}, fields.alpha_pattern ?? {}];
  checkPatterns(rankPattern, 'rank_pattern', file);
  checkPatterns(alphaPattern, 'alpha_pattern', file);
  const { r, lora_alpha } = fields;
  const scales = { rank: r, alpha: lora_alpha, isStabilised: fields.use_rslora === true, rankPattern, alphaPattern };
  const modules = [...new Set(stored.flatMap((name) => moduleOf(name) ?? []))];
  const idle = idlePatterns(scales, modules);
  if (idle.length > 0)
    process.emitWarning(`${file}: ${idle.join(', ')} of rank_pattern or alpha_pattern matches no module.`);
  const rank = Math.max(...(modules.length === 0 ? [r] : modules.map((module) => scaleOf(scales, module).rank)));
  const alpha = rank * (lora_alpha / (scales.isStabilised ? Math.sqrt(r) : r));
  const isUniform = Object.keys(rankPattern).length + Object.keys(alphaPattern).length === 0;
  return isUniform ? { rank, alpha: scales.isStabilised ? alpha : lora_alpha } : { rank, alpha, scales };
}

/** The path of the module that a factor belongs to, in the published model; null for other tensors. */
export const moduleOf = (name: string): string | null =>
  /^(.+)\.lora_[AB](?:\.\w+)?\.weight$/.exec(name.replace(/^base_model\.model\./, ''))?.[1] ?? null;

/**
 * The tokens of `trainable_token_indices`: one list for the embeddings and a head that is tied to them, or a list for each
 * matrix. All matrices must have the same tokens.
 */
function parseTokens(value: readonly number[] | Record<string, number[]>, file: string): readonly number[] {
  const lists: [string, readonly number[]][] = Array.isArray(value) ? [['embed_tokens', value]] : Object.entries(value);
  const foreign = lists.find(([name]) => !/(^|\.)(embed_tokens|lm_head)$/.test(name));
  if (foreign)
    throw new UserError(
      `${file}: trainable_token_indices names ${foreign[0]}; only tokens of embed_tokens and lm_head are supported.`,
    );
  const [first, ...others] = lists.map(([, ids]) => ids);
  if (others.some((ids) => String(ids) !== String(first)))
    throw new UserError(`${file}: trainable_token_indices has different tokens per matrix, which is not supported.`);
  if (new Set(first).size !== (first ?? []).length)
    throw new UserError(`${file}: trainable_token_indices has a token twice; restore the file.`);
  return first ?? [];
}

const isTarget = (name: string): name is LoraTarget => loraTargets.some((target) => target === name);

/** A module of LLaDA, whose blocks and projections have names of their own. */
export const lladaBlock = /\btransformer\.blocks\.\d+\./;
const lladaTargets: Readonly<Record<string, LoraTarget>> = {
  attn_out: 'o_proj',
  ff_proj: 'gate_proj',
  ff_out: 'down_proj',
};

/** The projections that an adapter's tensors belong to, under the names of any family. */
function heldTargets(stored: readonly string[]): LoraTarget[] {
  const modules = stored.map((name) => /\.(\w+)\.lora_[AB](?:\.\w+)?\.weight$/.exec(name)?.[1] ?? '');
  return [...new Set(modules.map((name) => lladaTargets[name] ?? name).filter(isTarget))];
}

/** Checks a part of a JSON file. Throws a `UserError` that names the file and the first invalid field. */
export function parse<T extends z.ZodType>(schema: T, value: unknown, file: string): z.infer<T> {
  const parsed = schema.safeParse(value, { error: invalidValue });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new UserError(`${file}: ${issue.path.join('.') || 'the file'} ${issue.message}; restore the file.`);
}
