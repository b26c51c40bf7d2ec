import type { SpecialTokens } from '../model/config.ts';
import type { GenerationDefaults } from '../model/generation.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { TokenizerFiles } from '../model/tokenizer.ts';
import type { Random } from '../platform/random.ts';
import type { Evaluation } from '../protocol/events.ts';
import type { WorkContext } from '../runs/run-job.ts';
import type { Example } from './masked-diffusion-loss.ts';

/** How a base model is pretrained: architecture, training data, and evaluation. */
export interface Recipe {
  readonly name: string;
  readonly description: string;
  /** Name of the resulting model. */
  readonly modelName: string;
  readonly preset: string;
  /** Base of the rotary positions, suited to the length of the texts (`presetConfig`). */
  readonly ropeTheta: number;
  /** Whether the model is autoregressive (`causal` attention) instead of a diffusion model; absent: no. */
  readonly autoregressive?: boolean;
  readonly generation: GenerationDefaults;
  /** Defaults of the training settings. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly steps: number;
  /** Prepares the training data. If it is fetched or learnt, this takes minutes and reports progress. */
  prepare(hooks: PrepareHooks): Promise<Curriculum>;
}

export interface PrepareHooks {
  readonly progress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** The training data of a model, and its evaluation. */
export interface Curriculum {
  /** Description of the data for the model card, as paragraphs. */
  readonly data: readonly string[];
  readonly tokenizer: TokenizerFiles;
  readonly specials: SpecialTokens;
  /** The examples of step `step` (from 1): one or more batches with equal weight. */
  examples(step: number, batchSize: number, random: Random): Example[][];
  /** How the scored answers are generated, for the card; absent: greedily. */
  readonly answers?: string;
  /** The metric that ranks checkpoints; larger is better. */
  readonly bestBy: string;
  /** Evaluates the model on held-out problems, at most `problems` of each kind. */
  evaluate(model: LanguageModel, problems: number, context?: WorkContext): Promise<Evaluation>;
}
