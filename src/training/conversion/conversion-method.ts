import { shareInterval } from '../../evaluation/statistics.ts';
import type { HostTensor } from '../../graph/tensor.ts';
import { type ModelConfig, maskToken } from '../../model/config.ts';
import { suffixFirstTokens } from '../../model/fill-in-the-middle.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import { Random } from '../../platform/random.ts';
import type { Evaluation } from '../../protocol/events.ts';
import type { RunActivity } from '../../protocol/run.ts';
import type { WorkContext } from '../../runs/run-job.ts';
import type { Corpus } from '../code/corpus.ts';
import { optimizerOf } from '../optimizer-settings.ts';
import { type Batch, Trainer } from '../trainer.ts';
import type { TrainingMethod } from '../training-job.ts';
import { drawCanvases } from './canvases.ts';
import { conversionLoss } from './conversion-loss.ts';
import { type GapText, GapTexts } from './gap-texts.ts';
import { packRow } from './packing.ts';
import { type ConversionSettings, planOf, type StepPlan } from './settings.ts';

/** The plan of held-out rows: canvases of the final width, half of them masked completely. */
const evaluationPlan = (block: number): StepPlan => ({ blocks: [block], mostMasked: 1, warm: true, noise: 0 });

/**
 * Trains the adapter of a converted model: first to fill gaps from the left, then also to denoise canvases that continue the
 * text (`packRow`), with growing block sizes.
 */
export function conversion(
  model: LanguageModel,
  corpus: Corpus,
  settings: ConversionSettings,
  { steps, seed }: { readonly steps: number; readonly seed: number },
): TrainingMethod {
  const { config, tokenizer } = model;
  const special = { ...suffixFirstTokens(config)!, eom: config.eom_token_id as number };
  const rows = new PackedRows(config, settings, special.eom);
  const [training, heldOut] = [corpus.training, corpus.validation].map(
    (files) => new GapTexts(files, tokenizer, special),
  );
  const loss = conversionLoss({ causal: settings.causal_weight, denoising: settings.denoising_weight });
  const trainer = new Trainer(model, loss, optimizerOf(settings, model.trained.keys(), steps));
  return {
    bestBy: 'token_probability',
    async step(step, context) {
      const random = new Random(seed, 'conversion', step);
      const plan = planOf(step, steps, settings);
      const batches = Array.from({ length: settings.rows_per_step }, () =>
        scaled(rows.draw(training!, plan, random), 1 / settings.rows_per_step),
      );
      const made = await trainer.step(batches, (done) =>
        context?.reportProgress(activityOf('rows', done, batches.length)),
      );
      const mean = (name: string) => made.metrics.reduce((sum, metrics) => sum + (metrics[name]!.data[0] as number), 0);
      return {
        metrics: {
          loss: made.loss,
          causal_loss: mean('causal'),
          ...(plan.blocks.length > 0 ? { denoising_loss: mean('denoising') } : {}),
          block_size: plan.blocks.at(-1) ?? 1,
          grad_norm: made.gradNorm,
          learning_rate: made.learningRate,
        },
        tokens: settings.rows_per_step * settings.row_length,
      };
    },
    evaluate: (context) => heldOutLosses(trainer, rows, heldOut!, settings, context),
    dispose: () => trainer.dispose(),
  };
}

/** Draws packed rows: one text of a row's length, and canvases that continue it. */
class PackedRows {
  readonly #config: ModelConfig;
  readonly #settings: ConversionSettings;
  readonly #eom: number;

  constructor(config: ModelConfig, settings: ConversionSettings, eom: number) {
    this.#config = config;
    this.#settings = settings;
    this.#eom = eom;
  }

  draw(texts: GapTexts, plan: StepPlan, random: Random): Batch {
    const { row_length: length, canvas_room: room, predictions } = this.#settings;
    const width = plan.blocks.length === 0 ? 1 : drawBlock(plan.blocks, random);
    const text = texts.draw(width === 1 ? length : length - room, random);
    const canvases = this.#canvases(text, width, plan, random);
    const packed = { tokens: text.tokens, predictedFrom: text.prefixStart + 1, canvases };
    const special = { mask: maskToken(this.#config), pad: this.#config.pad_token_id };
    const batch = packRow([packed], special, { length, predictions });
    return this.#settings.mask_noise > 0 ? { ...batch, noise: this.#noise(batch.tokens, plan.noise, random) } : batch;
  }

  #canvases({ tokens, prefixStart, cut }: GapText, width: number, { mostMasked, warm }: StepPlan, random: Random) {
    const {
      canvas_room: room,
      all_masked: allMasked,
      complementary_masks: complementary,
      elbo_weight,
    } = this.#settings;
    return drawCanvases(
      tokens,
      { from: prefixStart + 1, cut, end: this.#eom },
      { width, room, mostMasked, allMasked, complementary, elbo: elbo_weight && warm },
      random,
    );
  }

  /** Gaussian noise on the embeddings of masks. It is part of every row of a run, so that all rows share one program. */
  #noise({ data: tokens }: HostTensor, deviation: number, random: Random): HostTensor {
    const { hidden_size: width } = this.#config;
    const mask = maskToken(this.#config);
    const data = new Float32Array(tokens.length * width);
    if (deviation > 0)
      for (let place = 0; place < tokens.length; place++)
        if (tokens[place] === mask)
          for (let index = 0; index < width; index++) data[place * width + index] = deviation * random.normal();
    return { shape: [1, tokens.length, width], data };
  }
}

const activityOf = (name: string, done: number, total: number): RunActivity => ({
  text: `${name} ${done} of ${total}`,
  counts: [{ name, done, total }],
  eta: null,
});

/** Half of the rows have the stage's own block size, the others one of the sizes so far. */
const drawBlock = (blocks: readonly number[], random: Random): number =>
  random.uniform() < 0.5 ? (blocks.at(-1) as number) : random.pick(blocks);

function scaled(batch: Batch, factor: number): Batch {
  const extra = Object.fromEntries(
    Object.entries(batch.extra).map(([name, { shape, data }]) => [
      name,
      { shape, data: (data as Float32Array).map((weight) => weight * factor) },
    ]),
  );
  return { ...batch, extra };
}

/**
 * Losses on rows of held-out packages, the same rows each time: the mean probability per predicted token (the exponential of
 * minus the loss) from the left and in canvases, each row an item.
 */
async function heldOutLosses(
  trainer: Trainer,
  rows: PackedRows,
  texts: GapTexts,
  settings: ConversionSettings,
  context?: WorkContext,
): Promise<Evaluation> {
  const begin = performance.now();
  const block = Math.max(2, ...settings.block_growth.split(',').map((part) => Number(part.split(':')[0])));
  const causal: number[] = [];
  const denoising: number[] = [];
  for (let row = 0; row < settings.evaluation_rows; row++) {
    context?.signal.throwIfAborted();
    context?.reportProgress(activityOf('held-out rows', row, settings.evaluation_rows));
    const batch = rows.draw(texts, evaluationPlan(block), new Random(0, 'held-out row', row));
    const { metrics } = await trainer.evaluate(batch);
    causal.push(Math.exp(-(metrics.causal!.data[0] as number)));
    denoising.push(Math.exp(-(metrics.denoising!.data[0] as number)));
  }
  const interval = (values: readonly number[]) => shareInterval(values.map((value) => ({ value, weight: 1 })));
  return {
    task: 'infilling',
    split: 'validation',
    n: settings.evaluation_rows,
    metrics: {
      token_probability: interval(causal.map((value, row) => Math.sqrt(value * (denoising[row] as number)))),
      causal_probability: interval(causal),
      denoising_probability: interval(denoising),
    },
    seconds: (performance.now() - begin) / 1000,
  };
}
