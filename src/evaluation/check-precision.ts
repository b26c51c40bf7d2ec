import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Engine } from '../engine/engine.ts';
import { calibrate } from '../model/calibration.ts';
import { openBase } from '../model/checkpoint.ts';
import { isAutoregressive, maskToken } from '../model/config.ts';
import { LanguageModel } from '../model/language-model.ts';
import type { Query } from '../model/query.ts';
import type { ResolvedModel } from '../model/resolved-model.ts';
import {
  formName,
  keepServingPrecision,
  type PrecisionCheck,
  type PrecisionRow,
  type ServingPrecision,
} from '../model/serving-precision.ts';
import type { Smoothing } from '../model/smoothing.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { UserError } from '../platform/errors.ts';
import { packageRoot } from '../platform/package-root.ts';
import { Random } from '../platform/random.ts';

/** A form may be chosen where its predictions stay this close to the f32 model's. */
const bounds = { kl: 0.02, agreement: 0.9 };

/** Tokens of the text that smoothing is calibrated on, and of each text that forms are compared on. */
const textTokens = 256;
const calibrationTexts = 6;
const comparedTexts = 2;

/**
 * Measures every form in which a model can be served next to its f32 weights: how far predictions move, and how long a pass
 * takes on this engine. Chooses the fastest form within the bounds, and keeps the choice for the next time the model is
 * loaded. Texts are the program's own coding problems, others for calibration than for comparison.
 */
export async function checkPrecision(
  engine: Engine,
  resolved: ResolvedModel,
  { progress = () => undefined, signal }: { progress?: (line: string) => void; signal?: AbortSignal } = {},
): Promise<PrecisionCheck> {
  const open = () => openBase(resolved);
  const { tokenizer, config } = await open();
  const length = Math.min(textTokens, config.max_position_embeddings);
  const calibration = await textsOf(tokenizer, 'training/parsing.txt', length, calibrationTexts);
  const compared = await textsOf(tokenizer, 'validation/times.txt', length, comparedTexts);
  const queries = compared.map((text, index) => comparedPredictions(resolved, text, index));
  progress('Measuring the f32 model.');
  let smoothing: Smoothing = new Map();
  const exact = await measure(engine, await open(), { precision: 'f32' }, queries, async (model) => {
    smoothing = await calibrate(model, calibration);
  });
  const rows: PrecisionRow[] = [{ form: 'f32', kl: 0, agreement: 1, milliseconds: exact.milliseconds }];
  for (const form of formsOf(smoothing)) {
    signal?.throwIfAborted();
    progress(`Measuring ${formName(form)}.`);
    const found = await measure(engine, await open(), form, queries);
    const { kl, agreement } = distance(exact.logits, found.logits, config.vocab_size);
    rows.push({ form: formName(form), kl, agreement, milliseconds: found.milliseconds });
  }
  const allowed = rows.filter(({ kl, agreement }) => kl <= bounds.kl && agreement >= bounds.agreement);
  const chosen = allowed.reduce((best, row) => (row.milliseconds < best.milliseconds ? row : best)).form;
  const check = { rows, chosen };
  await keepServingPrecision(resolved.base, check, smoothing);
  return check;
}

const formsOf = (smoothing: Smoothing): readonly ServingPrecision[] => [
  { precision: 'w8a8', smoothing },
  { precision: 'w8a8' },
  { precision: 'w7a8', smoothing },
];

interface Measured {
  /** Of every query [positions * vocab_size]. */
  readonly logits: readonly Float32Array[];
  readonly milliseconds: number;
}

async function measure(
  engine: Engine,
  checkpoint: Awaited<ReturnType<typeof openBase>>,
  { precision, smoothing }: ServingPrecision,
  queries: readonly Query[],
  alsoWith?: (model: LanguageModel) => Promise<void>,
): Promise<Measured> {
  const model = await LanguageModel.loadFrozen(engine, checkpoint, precision, { smoothing });
  try {
    const logits: Float32Array[] = [];
    for (const query of queries) logits.push(((await model.logits([query]))[0] as Float32Array).slice());
    // The first pass compiled the program, so the others are timed.
    const times: number[] = [];
    for (let pass = 0; pass < 3; pass++) {
      const begin = performance.now();
      await model.logits([queries[0] as Query]);
      times.push(performance.now() - begin);
    }
    await alsoWith?.(model);
    return { logits, milliseconds: times.sort((a, b) => a - b)[1] as number };
  } finally {
    await model.dispose();
  }
}

/** Texts of `length` tokens from a file of coding problems, which is repeated where it is shorter. */
async function textsOf(tokenizer: Tokenizer, file: string, length: number, count: number): Promise<Int32Array[]> {
  const tokens = tokenizer.encode(await readFile(path.join(packageRoot(), 'problems', file), 'utf8'));
  if (tokens.length === 0)
    throw new UserError('The model cannot be checked, because its tokenizer has no tokens for code; use it as it is.');
  return Array.from({ length: count }, (_, text) =>
    Int32Array.from({ length }, (_, position) => tokens[(text * length + position) % tokens.length] as number),
  );
}

/** A text whose second half is a canvas with every other token masked at random; those positions are compared. */
function masked(text: Int32Array, mask: number, seed: number): Query {
  const random = new Random(seed, 'precision check');
  const tokens = text.slice();
  const canvas = Math.floor(text.length / 2);
  const positions: number[] = [];
  for (let position = canvas; position < text.length; position++) if (random.uniform() < 0.5) positions.push(position);
  if (positions.length === 0) positions.push(text.length - 1);
  for (const position of positions) tokens[position] = mask;
  return { tokens, positions, canvas };
}

/**
 * The predictions of a text on which forms are compared: those with which the model writes. Of a model that writes from the left, also
 * of a converted one, these are of every token but the first, from the tokens before it; of others, of masked tokens.
 */
export function comparedPredictions(
  { config, generation }: Pick<ResolvedModel, 'config' | 'generation'>,
  text: Int32Array,
  seed: number,
): Query {
  const { gap_decoding: decoding = 'denoise' } = generation;
  const isDrafted = config.attention === 'causal-context' && decoding !== 'denoise';
  if (!isAutoregressive(config) && !isDrafted) return masked(text, maskToken(config), seed);
  return { tokens: text, positions: [...text.keys()].slice(1), canvas: isDrafted ? text.length : 0 };
}

/** Mean KL divergence of predictions [positions * vocabulary] from exact ones, in nats, and how often the likeliest agree. */
export function distance(
  exact: readonly Float32Array[],
  found: readonly Float32Array[],
  vocabulary: number,
): { readonly kl: number; readonly agreement: number } {
  let [kl, agreeing, positions] = [0, 0, 0];
  exact.forEach((logits, text) => {
    for (let start = 0; start < logits.length; start += vocabulary) {
      const p = logDistribution(logits.subarray(start, start + vocabulary));
      const q = logDistribution((found[text] as Float32Array).subarray(start, start + vocabulary));
      for (let token = 0; token < vocabulary; token++)
        kl += Math.exp(p.values[token] as number) * ((p.values[token] as number) - (q.values[token] as number));
      agreeing += Number(p.likeliest === q.likeliest);
      positions++;
    }
  });
  return { kl: Math.max(0, kl / positions), agreement: agreeing / positions };
}

function logDistribution(logits: Float32Array): { values: Float64Array; likeliest: number } {
  let likeliest = 0;
  for (let token = 1; token < logits.length; token++)
    if ((logits[token] as number) > (logits[likeliest] as number)) likeliest = token;
  const peak = logits[likeliest] as number;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - peak);
  const normaliser = peak + Math.log(sum);
  return { values: Float64Array.from(logits, (logit) => logit - normaliser), likeliest };
}
