import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Engine } from '../engine/engine.ts';
import type { TensorSource } from '../graph/tensor.ts';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint.ts';
import { type ModelConfig, maskToken, presetConfig } from '../model/config.ts';
import { findModel } from '../model/find-model.ts';
import { LanguageModel } from '../model/language-model.ts';
import { Tokenizer, type TokenizerFiles } from '../model/tokenizer.ts';
import { initialWeights } from '../model/transformer.ts';
import { UserError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import { type Example, forwardProcesses, maskedDiffusionBatch, maskedDiffusionLoss } from './masked-diffusion-loss.ts';
import { nextTokenBatch, nextTokenLoss } from './next-token-loss.ts';
import { optimizerOf, optimizerSettings } from './optimizer-settings.ts';
import type { Curriculum, Recipe } from './recipe.ts';
import { type Batch, Trainer, trainingState } from './trainer.ts';
import type { TrainingMethod } from './training-job.ts';

/** Every hyper-parameter of pretraining: what `--set NAME=VALUE` takes. A recipe has defaults of its own. */
export const pretrainingSettings = z.strictObject({
  preset: z.string().describe('Size of the model'),
  batch_size: z.int().min(1).max(4096).default(64).describe('Examples of each kind per step'),
  forward_process: z.enum(forwardProcesses).default('exact-count').describe('How examples are masked'),
  ...optimizerSettings,
  evaluate_every: z.int().min(0).default(500).describe('Steps between two evaluations; 0: only at the ends'),
  evaluation_problems: z
    .int()
    .min(1)
    .default(128)
    .describe('Validation problems of each kind, of those that the recipe has'),
  checkpoint_every: z.int().min(0).default(500).describe('Steps between two checkpoints; 0: only at the end'),
  keep_checkpoints: z.int().min(1).default(3).describe('Newest checkpoints that are kept; the best is kept besides'),
});

export type PretrainingSettings = z.infer<typeof pretrainingSettings>;

/** What a pretraining run is asked to do. */
export interface PretrainingRequest {
  readonly recipe: string;
  /** The model whose weights it begins with; null: random ones. */
  readonly from: string | null;
  /** Folder of the model to be made. */
  readonly output: string;
  readonly steps: number;
  readonly seed: number;
  readonly settings: PretrainingSettings;
}

/**
 * A new model of a recipe, ready to be trained: with random weights, the same for the same seed, or with those of a model
 * that is alike but for what a token sees: one that predicts the next token may learn to denoise (DiffuLLaMA, arXiv
 * 2410.17891). Throws a `UserError` where that one is not alike.
 */
export async function newModel(
  engine: Engine,
  recipe: Recipe,
  { tokenizer: files, specials }: Curriculum,
  { settings: { preset }, seed, from }: Pick<PretrainingRequest, 'settings' | 'seed' | 'from'>,
): Promise<LanguageModel> {
  const { ropeTheta, autoregressive } = recipe;
  const config = presetConfig(preset, vocabularySize(files), specials, ropeTheta, autoregressive);
  const tokenizer = new Tokenizer(files);
  const weights =
    from === null
      ? initialWeights(config, new Random(seed, 'initial weights'))
      : await weightsOf(await findModel(from), { recipe, config, tokenizer });
  const checkpoint = { config, weights, tokenizer, generation: recipe.generation };
  return LanguageModel.load(engine, checkpoint, trainingState(config));
}

/**
 * Refuses a model to begin with as far as it can be told before the recipe has read its files, which may take minutes: what
 * its tokens are is not known yet.
 */
export async function assertCanBeginWith(
  from: string,
  recipe: Recipe,
  { preset }: Pick<PretrainingSettings, 'preset'>,
): Promise<void> {
  const folder = await findModel(from);
  const { config } = await fullCheckpoint(folder);
  const { vocab_size, eos_token_id: eos, pad_token_id: pad, eom_token_id: eom } = config;
  const specials = { mask: maskToken(config), eos, pad, ...(eom === undefined ? {} : { eom }) };
  assertAlike(folder, config, recipe, presetConfig(preset, vocab_size, specials, recipe.ropeTheta));
}

async function weightsOf(
  folder: string,
  {
    recipe,
    config,
    tokenizer,
  }: { readonly recipe: Recipe; readonly config: ModelConfig; readonly tokenizer: Tokenizer },
): Promise<TensorSource> {
  const found = await fullCheckpoint(folder);
  assertAlike(folder, found.config, recipe, config);
  if (!isDeepStrictEqual(found.tokenizer.texts, tokenizer.texts))
    throw new UserError(
      `${folder} reads other tokens than the recipe ${recipe.name}; begin with a model that was trained on the same files.`,
    );
  return found.weights;
}

async function fullCheckpoint(folder: string): Promise<Checkpoint<TensorSource>> {
  const found = await openCheckpoint(folder);
  if (found.adapter)
    throw new UserError(`${folder} is an adapter; make a full model of it with \`unmask merge\` and begin with that.`);
  return found;
}

/** A model to begin with is like the one that the recipe makes, but for what a token sees. */
function assertAlike(folder: string, config: ModelConfig, recipe: Recipe, made: ModelConfig): void {
  const { architectures, attention, logit_shift } = made;
  const theirs: Readonly<Record<string, unknown>> = { ...config, architectures, attention, logit_shift };
  const ours: Readonly<Record<string, unknown>> = made;
  const other = Object.keys({ ...ours, ...theirs }).find((name) => !isDeepStrictEqual(ours[name], theirs[name]));
  const shown = (value: unknown) => JSON.stringify(value) ?? 'none';
  if (other !== undefined)
    throw new UserError(
      `${folder} has the ${other} ${shown(theirs[other])} where the recipe ${recipe.name} makes ${shown(ours[other])}; begin with a model that was made by this recipe's settings, or set another preset.`,
    );
}

function vocabularySize({ tokenizer }: TokenizerFiles): number {
  const { model } = tokenizer as { model: { vocab: Record<string, number> } };
  return Math.max(...Object.values(model.vocab)) + 1;
}

/**
 * Supervised masked diffusion training on a curriculum's examples (LLaDA, arXiv 2502.09992, section 2.2); a model with
 * `causal` attention is trained to predict the next token.
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
    evaluate: () => curriculum.evaluate(model, settings.evaluation_problems),
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
