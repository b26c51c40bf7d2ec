import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Engine } from '../engine/engine.ts';
import type { TensorSource } from '../graph/tensor.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import { type ModelConfig, maskToken, presetConfig } from '../model/config.ts';
import { LanguageModel } from '../model/language-model.ts';
import type { ResolvedModel } from '../model/resolved-model.ts';
import { Tokenizer, type TokenizerFiles } from '../model/tokenizer.ts';
import { initialWeights } from '../model/transformer.ts';
import { UserError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import { defaultJobSettings } from '../protocol/default-settings.ts';
import { type Example, forwardProcesses, maskedDiffusionBatch, maskedDiffusionLoss } from './masked-diffusion-loss.ts';
import { nextTokenBatch, nextTokenLoss } from './next-token-loss.ts';
import { optimizerOf, optimizerSettings } from './optimizer-settings.ts';
import type { Curriculum, Recipe } from './recipe.ts';
import { type Batch, Trainer, trainingState } from './trainer.ts';
import type { TrainingMethod } from './training-job.ts';

/** All settings of pretraining, as `--set NAME=VALUE` takes them. A recipe has its own defaults. */
export const pretrainingSettings = z.strictObject({
  preset: z
    .string()
    .describe("Size of the transformer; the number in its name counts parameters without the vocabulary's embeddings"),
  batch_size: z.int().min(1).max(4096).default(64).describe('Examples of each kind per step'),
  forward_process: z.enum(forwardProcesses).default('exact-count').describe('How examples are masked'),
  ...optimizerSettings,
  evaluate_every: z
    .int()
    .min(0)
    .default(500)
    .describe('Steps between two evaluations; 0: only at the beginning and the end'),
  evaluation_problems: z.int().min(1).default(128).describe('Maximum number of validation problems of each kind'),
  checkpoint_every: z.int().min(0).default(500).describe('Steps between two checkpoints; 0: only at the end'),
  keep_checkpoints: z
    .int()
    .min(1)
    .default(defaultJobSettings.keepCheckpoints)
    .describe('How many recent checkpoints to keep, in addition to the best one'),
});

export type PretrainingSettings = z.infer<typeof pretrainingSettings>;

/** A request for a pretraining run. */
export interface PretrainingRequest {
  readonly recipe: string;
  /** The model whose weights initialise it; null: random weights. */
  readonly from: string | null;
  /** Folder of the resulting model. */
  readonly output: string;
  readonly steps: number;
  readonly seed: number;
  readonly settings: PretrainingSettings;
}

/**
 * A new model of a recipe, ready for training. Its weights are random (reproducible for a seed), or those of a model
 * that differs only in its attention: an autoregressive model may learn to denoise (DiffuLLaMA, arXiv 2410.17891).
 * Throws a `UserError` if that model differs otherwise.
 */
export async function newModel(
  engine: Engine,
  recipe: Recipe,
  { tokenizer: files, specials }: Curriculum,
  {
    settings: { preset },
    seed,
    from,
  }: Pick<PretrainingRequest, 'settings' | 'seed'> & { readonly from: ResolvedModel | null },
): Promise<LanguageModel> {
  const { ropeTheta, autoregressive } = recipe;
  const config = presetConfig(preset, vocabularySize(files), specials, ropeTheta, autoregressive);
  const tokenizer = new Tokenizer(files);
  const weights =
    from === null
      ? initialWeights(config, new Random(seed, 'initial weights'))
      : await weightsOf(from, { recipe, config, tokenizer });
  const checkpoint = { config, weights, tokenizer, generation: recipe.generation };
  return LanguageModel.load(engine, checkpoint, trainingState(config));
}

/**
 * Rejects an unsuitable initial model before the recipe prepares its data, which may take minutes. Its tokens cannot
 * be checked yet.
 *
 * @throws UserError if the model is an adapter or has another shape than the recipe's models
 */
export function assertCanBeginWith(
  from: ResolvedModel,
  recipe: Recipe,
  { preset }: Pick<PretrainingSettings, 'preset'>,
): void {
  if (from.adapter)
    throw new UserError(
      `${from.folder} is an adapter; merge it into a full model with \`unmask merge\` and begin with that.`,
    );
  const { vocab_size, eos_token_id: eos, pad_token_id: pad, eom_token_id: eom } = from.config;
  const specials = { mask: maskToken(from.config), eos, pad, ...(eom === undefined ? {} : { eom }) };
  assertAlike(from, recipe, presetConfig(preset, vocab_size, specials, recipe.ropeTheta));
}

async function weightsOf(
  from: ResolvedModel,
  {
    recipe,
    config,
    tokenizer,
  }: { readonly recipe: Recipe; readonly config: ModelConfig; readonly tokenizer: Tokenizer },
): Promise<TensorSource> {
  assertAlike(from, recipe, config);
  const found = await openCheckpoint(from);
  if (!isDeepStrictEqual(found.tokenizer.texts, tokenizer.texts))
    throw new UserError(
      `${from.folder} has another tokenizer than the recipe ${recipe.name}; start from a model that was trained on the same files.`,
    );
  return found.weights;
}

/** The initial model must equal the recipe's model, except in its attention. */
function assertAlike({ folder, config }: ResolvedModel, recipe: Recipe, made: ModelConfig): void {
  const { architectures, attention, logit_shift } = made;
  const baseConfig: Readonly<Record<string, unknown>> = { ...config, architectures, attention, logit_shift };
  const ours: Readonly<Record<string, unknown>> = made;
  const other = Object.keys({ ...ours, ...baseConfig }).find(
    (name) => !isDeepStrictEqual(ours[name], baseConfig[name]),
  );
  const shown = (value: unknown) => JSON.stringify(value) ?? 'none';
  if (other !== undefined)
    throw new UserError(
      `${folder} has the ${other} ${shown(baseConfig[other])}, but the recipe ${recipe.name} needs ${shown(ours[other])}; start from a model with this recipe's settings, or set another preset.`,
    );
}

function vocabularySize({ tokenizer }: TokenizerFiles): number {
  const { model } = tokenizer as { model: { vocab: Record<string, number> } };
  return Math.max(...Object.values(model.vocab)) + 1;
}

/**
 * Supervised masked diffusion training on a curriculum's examples (LLaDA, arXiv 2502.09992, section 2.2). A model
 * with `causal` attention is trained to predict the next token.
 */
export function pretraining(
  model: LanguageModel,
  curriculum: Curriculum,
  settings: PretrainingSettings,
  { steps, seed }: { steps: number; seed: number },
): TrainingMethod {
  const autoregressive = model.config.attention === 'causal';
  const trainer = new Trainer(
    model,
    autoregressive ? nextTokenLoss : maskedDiffusionLoss,
    optimizerOf(settings, model.trained.keys(), steps),
  );
  return {
    bestBy: curriculum.bestBy,
    async step(step) {
      const random = new Random(seed, 'pretraining', step);
      const kinds = curriculum.examples(step, settings.batch_size, random);
      const tokens = { mask: maskToken(model.config), pad: model.config.pad_token_id };
      const batchOf = (examples: readonly Example[]) =>
        autoregressive
          ? nextTokenBatch(examples, tokens.pad)
          : maskedDiffusionBatch(examples, tokens, settings.forward_process, random);
      const batches = kinds.map((examples) => scaled(batchOf(examples), 1 / kinds.length));
      const { loss, gradNorm, learningRate } = await trainer.step(batches);
      return {
        metrics: { loss, grad_norm: gradNorm, learning_rate: learningRate },
        tokens: batches.reduce((sum, batch) => sum + batch.tokens.data.length, 0),
      };
    },
    evaluate: (context) => curriculum.evaluate(model, settings.evaluation_problems, context),
    dispose: () => trainer.dispose(),
  };
}

function scaled(batch: Batch, factor: number): Batch {
  if (factor === 1) return batch;
  const weights = batch.extra.weights!;
  return {
    ...batch,
    extra: { weights: { shape: weights.shape, data: (weights.data as Float32Array).map((weight) => weight * factor) } },
  };
}
