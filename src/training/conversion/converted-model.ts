import type { Engine } from '../../engine/engine.ts';
import type { HostTensor, TensorSource } from '../../graph/tensor.ts';
import { openBase } from '../../model/checkpoint.ts';
import { isAutoregressive } from '../../model/config.ts';
import { type Conversion, convertedConfig } from '../../model/conversion.ts';
import type { GenerationDefaults } from '../../model/generation.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { initialLora, largestRank, loraTargets, tokenRows, vocabularyMatrices } from '../../model/lora.ts';
import { quantizedWeights } from '../../model/precision.ts';
import type { ResolvedModel } from '../../model/resolved-model.ts';
import type { Tokenizer } from '../../model/tokenizer.ts';
import { UsageError, UserError } from '../../platform/errors.ts';
import { Random } from '../../platform/random.ts';
import { trainingState } from '../trainer.ts';
import type { ConversionSettings } from './settings.ts';

/** How a converted model is decoded by default. */
const generation: GenerationDefaults = {
  prompt_format: 'plain',
  block_length: 32,
  tokens_per_step: 1,
  line_canvas: 32,
  canvas: 64,
  gap_decoding: 'drafts',
};

/**
 * Reserved tokens of published vocabularies that text hardly contains, in order of preference: of SmolLM2 (names of StarCoder
 * that its successor no longer uses) and of Qwen2.5 and Qwen3.
 */
const reserved = {
  mask: ['<reponame>', '<|repo_name|>', '<|box_start|>'],
  eom: ['<filename>', '<|fim_pad|>', '<|box_end|>'],
  prefix: ['<|endoftext|>'],
} as const;

/**
 * The special tokens of a conversion, by the names in the settings or those of `reserved`. Throws a `UsageError` if a name is no
 * special token of the base.
 */
export function conversionOf(
  tokenizer: Tokenizer,
  eos: number,
  { mask_token, eom_token, prefix_token }: Pick<ConversionSettings, 'mask_token' | 'eom_token' | 'prefix_token'>,
): Conversion {
  const find = (setting: string, name: string | null, known: readonly string[], otherwise?: number): number => {
    const id = (name === null ? known : [name])
      .map((one) => tokenizer.specialToken(one))
      .find((one) => one !== undefined);
    if (id !== undefined) return id;
    if (name === null && otherwise !== undefined) return otherwise;
    throw new UsageError(
      name === null
        ? `The base has none of the reserved tokens ${known.join(', ')}; name one of its special tokens with --set ${setting}=TOKEN.`
        : `Setting ${setting} = ${name} is not a special token of the base; name one that is.`,
    );
  };
  return {
    attention: 'causal-context',
    mask_token_id: find('mask_token', mask_token, reserved.mask),
    eom_token_id: find('eom_token', eom_token, reserved.eom),
    prefix_token_id: find('prefix_token', prefix_token, reserved.prefix, eos),
  };
}

/** Throws a `UserError` if a model cannot be converted. */
export function assertConvertible({ folder, config, adapter }: ResolvedModel): void {
  if (adapter)
    throw new UserError(`${folder} is an adapter; merge it into a full model with \`unmask merge\` and convert that.`);
  if (!isAutoregressive(config)) throw new UserError(`${folder} denoises already; convert an autoregressive model.`);
}

/**
 * A converted base with a new adapter, ready for training. The adapter changes no projection yet. The rows of mask and end of the
 * middle, which the base hardly trained, begin with the mean of all rows.
 */
export async function convertedModel(
  engine: Engine,
  base: ResolvedModel,
  { settings, seed }: { readonly settings: ConversionSettings; readonly seed: number },
): Promise<LanguageModel> {
  assertConvertible(base);
  const checkpoint = await openBase(base);
  const conversion = conversionOf(checkpoint.tokenizer, base.config.eos_token_id, settings);
  const config = convertedConfig(base.config, conversion, base.folder);
  const { lora_r: rank, lora_alpha: alpha, base_precision: precision } = settings;
  const most = largestRank(config, loraTargets);
  if (rank > most)
    throw new UsageError(
      `Setting lora_r = ${rank} is larger than ${most}, the rank of the smallest projection; set at most ${most}.`,
    );
  quantizedWeights(config, precision);
  const tokens = [conversion.mask_token_id, conversion.eom_token_id];
  const shape = { rank, alpha, targets: loraTargets, tokens };
  const weights = initialLora(config, shape, new Random(seed, 'adapter'));
  for (const matrix of vocabularyMatrices(config))
    weights.set(tokenRows(matrix), repeated(await meanRow(checkpoint.weights, matrix), tokens.length));
  const adapter = {
    ...shape,
    weights,
    base: { name: base.name, digest: await base.baseDigest(), precision, conversion },
  };
  return LanguageModel.load(engine, { ...checkpoint, config, generation, adapter }, trainingState(config, adapter));
}

async function meanRow(weights: TensorSource, matrix: string): Promise<Float32Array> {
  const { shape, data } = await weights.read(matrix);
  const [rows, width] = shape as [number, number];
  const sum = new Float64Array(width);
  for (let index = 0; index < data.length; index++)
    sum[index % width] = (sum[index % width] as number) + (data[index] as number);
  return Float32Array.from(sum, (value) => value / rows);
}

function repeated(row: Float32Array, count: number): HostTensor {
  const data = new Float32Array(count * row.length);
  for (let index = 0; index < count; index++) data.set(row, index * row.length);
  return { shape: [count, row.length], data };
}
