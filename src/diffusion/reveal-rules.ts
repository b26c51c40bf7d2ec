import { type Prediction, predictedTokens } from '../model/prediction.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { UserError } from '../platform/errors.ts';
import type { Random } from '../platform/random.ts';
import { blockCount, type Canvas, endStep } from './canvas.ts';
import { mergeTokens } from './merge-tokens.ts';
import { assess, drawToken, type RunnerUp, runnersUp } from './token-distribution.ts';
import { constrainToPrefix } from './token-healing.ts';

/** The model's output for a position: logits [vocab_size], or a prediction. */
export type PredictedRow = Float32Array | Prediction;

/** A token drawn for a masked position, with the row from which it was drawn. */
interface Guess {
  readonly position: number;
  readonly row: PredictedRow;
  readonly token: number;
  /** The model's probability of the token, without temperature. */
  readonly confidence: number;
  /** Entropy of the prediction, in nats. */
  readonly entropy: number;
}

/** The limits of the rules that determine the number of steps themselves. */
export interface RevealLimits {
  /** Confidence above which `threshold` reveals a token. */
  readonly threshold: number;
  /** How unlikely the least likely of the tokens may be that `factor` reveals together; default: 1. */
  readonly factor?: number | undefined;
  /** Sum of the entropies, in nats, of the tokens that `entropy` reveals together, without the largest; default: 0.1. */
  readonly entropyBound?: number | undefined;
}

/** The other inputs of a reveal rule. */
interface RuleState extends RevealLimits {
  /** Number of steps left for the current block; at least 1. */
  readonly stepsLeft: number;
  readonly random: Random;
}

/** Chooses which guesses of the current block a step reveals: at least one. */
type RevealRule = (guesses: readonly Guess[], state: RuleState) => readonly Guess[];

/** All reveal rules by name. To add a rule, add an entry here. */
const revealRules = {
  /** A fixed number of steps; each reveals the tokens of highest confidence (LLaDA, arXiv 2502.09992, section 2.4). */
  confidence: (guesses, { stepsLeft }) => byConfidence(guesses).slice(0, revealCount(guesses, stepsLeft)),
  /** The same number of steps, in random order. */
  random: (guesses, { stepsLeft, random }) =>
    highestRanked(
      guesses,
      guesses.map(() => random.uniform()),
      revealCount(guesses, stepsLeft),
    ),
  /** Every token whose confidence is above the threshold, at least one (Fast-dLLM, arXiv 2505.22618). */
  threshold: (guesses, { threshold }) => {
    const sure = guesses.filter(({ confidence }) => confidence > threshold);
    return sure.length > 0 ? sure : byConfidence(guesses).slice(0, 1);
  },
  /**
   * The n most confident tokens for the largest n with (n + 1)(1 - c) <= factor for the nth confidence c and all before it, at least
   * one: the more tokens are revealed together, the more confident each must be (Fast-dLLM, arXiv 2505.22618).
   */
  factor: (guesses, { factor = 1 }) => {
    const ranked = byConfidence(guesses);
    const refused = ranked.findIndex(({ confidence }, index) => (index + 2) * (1 - confidence) > factor);
    return ranked.slice(0, refused === -1 ? ranked.length : Math.max(1, refused));
  },
  /**
   * The tokens with the lowest entropies as long as the sum of the entropies, without the largest of them, is at most the bound. The
   * sum bounds the error of drawing the tokens independently (EB-Sampler, arXiv 2505.24857).
   */
  entropy: (guesses, { entropyBound = 0.1 }) => {
    const ranked = highestRanked(
      guesses,
      guesses.map(({ entropy }) => -entropy),
      guesses.length,
    );
    let sum = 0;
    const refused = ranked.findIndex((_, index) => {
      sum += index === 0 ? 0 : (ranked[index - 1] as Guess).entropy;
      return sum > entropyBound;
    });
    return refused === -1 ? ranked : ranked.slice(0, refused);
  },
} satisfies Readonly<Record<string, RevealRule>>;

export type RevealOrder = keyof typeof revealRules;

/** The names of all reveal rules. */
export const revealOrders = Object.keys(revealRules) as [RevealOrder, ...RevealOrder[]];

/** Whether a rule takes a number of steps that is known before; the others take at most one step per token. */
export const hasFixedSteps = (order: RevealOrder): boolean => order === 'confidence' || order === 'random';

/** Rules for filling a gap between a prompt and a suffix; they apply on top of each reveal rule. */
export interface GapRules {
  /** The token that ends a middle. All positions after it are set to the same token. */
  readonly end: number;
  /** Tokens that end a single line; empty if the middle may have several lines. */
  readonly lineEnds: ReadonlySet<number>;
  /**
   * Whether the probability of `lineEnds` is added to that of `end`, for models that were not trained to end a line with `end`.
   */
  readonly mergeLineEnds?: boolean;
  /** The model's tokenizer, with which tokens are compared with the healed prefix. */
  readonly tokenizer: Pick<Tokenizer, 'texts' | 'decode'>;
}

/** How canvases are filled; the same for all canvases of a batch. */
export interface DecodingRules extends RevealLimits {
  readonly order: RevealOrder;
  /** Total number of steps, divided evenly among the blocks; used only by rules with fixed steps. */
  readonly steps: number;
  readonly mask: number;
  /** How many of the most likely other tokens to record for each position; default: none. */
  readonly runnersUp?: number;
  /** Absent: the canvas is not in a gap and is filled completely. */
  readonly gap?: GapRules;
}

/**
 * Whether the next step of a canvas needs whole rows of logits: to draw at a temperature, to spell the healed prefix, to add up
 * the probabilities of line ends, or to record more tokens than a prediction contains. Otherwise predictions give the same tokens.
 */
export const needsLogits = (canvas: Canvas, { gap, runnersUp: count = 0 }: DecodingRules): boolean =>
  canvas.temperature > 0 ||
  (gap !== undefined && (canvas.unspelled !== '' || gap.mergeLineEnds === true)) ||
  count >= predictedTokens;

/**
 * One denoising step of a canvas: draws a token for each of `positions` (the masked ones of the current block, from the
 * left) from its row in `rows`, and reveals those that the rules choose. Throws a `UserError` if the logits are not finite, and
 * an `Error` if the rows are predictions where the step needs logits.
 */
export function applyRevealRule(
  canvas: Canvas,
  positions: readonly number[],
  rows: readonly PredictedRow[],
  rules: DecodingRules,
): void {
  const predicted = positions.map((position, index): PositionedRow => ({ position, row: rows[index] as PredictedRow }));
  if (rules.gap && canvas.unspelled !== '') spellPrefix(canvas, predicted, rules, rules.gap);
  else revealChosen(canvas, predicted, rules);
  endStep(canvas, rules.mask);
}

/** The row of a masked position. */
type PositionedRow = Pick<Guess, 'position' | 'row'>;

/** The logits of a row; see `needsLogits`. */
function logitsOf({ row }: PositionedRow): Float32Array {
  if (row instanceof Float32Array) return row;
  throw new Error('this step needs logits');
}

/**
 * Reveals tokens that spell the healed prefix, from the left: the first, and further ones while their confidence is above the
 * threshold.
 */
function spellPrefix(
  canvas: Canvas,
  rows: readonly PositionedRow[],
  rules: DecodingRules,
  { tokenizer }: GapRules,
): void {
  for (const [index, predicted] of rows.entries()) {
    const row = constrainToPrefix(logitsOf(predicted), canvas.unspelled, tokenizer);
    const guess = guessAt(canvas, { position: predicted.position, row }, rules);
    if (index > 0 && !(guess.confidence > rules.threshold)) return;
    reveal(canvas, guess, rules);
    const text = tokenizer.texts[guess.token] as string;
    if (text.length <= canvas.unspelled.length) canvas.spelledTokens++;
    canvas.unspelled = canvas.unspelled.slice(text.length);
    // The predictions for later positions were made without the end of the healed prefix, so they are not used.
    if (canvas.unspelled === '') return;
  }
}

function revealChosen(canvas: Canvas, rows: readonly PositionedRow[], rules: DecodingRules): void {
  const { order, steps, gap } = rules;
  const guesses = rows.map((row) => guessAt(canvas, gap?.mergeLineEnds ? withMergedEnds(row, gap) : row, rules));
  // If the steps do not divide evenly, each of the first blocks gets one more.
  const blocks = blockCount(canvas);
  const share = Math.max(1, Math.floor(steps / blocks) + Number(canvas.block < steps % blocks));
  const stepsLeft = Math.max(1, share - canvas.stepInBlock);
  const rule: RevealRule = revealRules[order];
  const chosen = new Set(rule(guesses, { ...rules, stepsLeft, random: canvas.random }));
  if (gap) for (const guess of certainEnds(guesses, gap)) chosen.add(guess);
  for (const guess of guesses) {
    if (!chosen.has(guess)) continue;
    reveal(canvas, guess, rules);
    if (!gap || (guess.token !== gap.end && !gap.lineEnds.has(guess.token))) continue;
    // Nothing follows the end, so the positions after it need no prediction.
    for (let after = guess.position + 1; after < canvas.tokens.length; after++)
      setToEnd(canvas, after, gap, guess, rules);
    return;
  }
}

/**
 * The guesses that predict the end with a higher confidence than every guess of another token. They are revealed together, because
 * the next steps would choose them anyway unless the predictions changed.
 */
function certainEnds(guesses: readonly Guess[], { end }: GapRules): Guess[] {
  const others = guesses.flatMap(({ token, confidence }) => (token === end ? [] : [confidence]));
  const highestOther = Math.max(0, ...others);
  return guesses.filter(({ token, confidence }) => token === end && confidence > highestOther);
}

/** The guesses with the highest confidence first. */
const byConfidence = (guesses: readonly Guess[]): Guess[] =>
  highestRanked(
    guesses,
    guesses.map(({ confidence }) => confidence),
    guesses.length,
  );

/** The `count` guesses with the highest rank; among equal ranks, the left one comes first. */
function highestRanked(guesses: readonly Guess[], ranks: readonly number[], count: number): Guess[] {
  const indices = guesses.map((_, index) => index);
  indices.sort((a, b) => (ranks[b] as number) - (ranks[a] as number) || a - b);
  return indices.slice(0, count).map((index) => guesses[index] as Guess);
}

/** The number of tokens to reveal in this step if they are spread evenly over the steps left, rounded up. */
const revealCount = (guesses: readonly Guess[], stepsLeft: number): number => Math.ceil(guesses.length / stepsLeft);

function guessAt({ temperature, random }: Canvas, { position, row }: PositionedRow, { mask }: DecodingRules): Guess {
  const { token, confidence, entropy } = guessFrom(row, temperature, mask, random);
  if (Number.isNaN(confidence))
    throw new UserError("The model's logits are not finite, so its weights are damaged; use an earlier checkpoint.");
  return { position, row, token, confidence, entropy };
}

function guessFrom(
  row: PredictedRow,
  temperature: number,
  mask: number,
  random: Random,
): Pick<Guess, 'token' | 'confidence' | 'entropy'> {
  if (!(row instanceof Float32Array)) {
    if (temperature > 0) throw new Error('drawing at a temperature needs logits');
    const [token, logProbability] = [row.tokens[0] as number, row.logProbabilities[0] as number];
    return { token, confidence: Math.exp(logProbability), entropy: row.entropy };
  }
  const token = drawToken(row, temperature, mask, random);
  const { probability: confidence, entropy } = assess(row, token, mask);
  return { token, confidence, entropy };
}

/** The `count` most likely tokens except the chosen one and the mask token. */
function otherTokens(row: PredictedRow, chosen: number, mask: number, count: number): RunnerUp[] {
  if (row instanceof Float32Array) return runnersUp(row, chosen, mask, count);
  return Array.from(row.tokens, (token, rank) => ({
    token,
    probability: Math.exp(row.logProbabilities[rank] as number),
  }))
    .filter(({ token }) => token !== chosen)
    .slice(0, count);
}

function reveal(canvas: Canvas, guess: Guess, { mask, runnersUp: count = 0 }: DecodingRules): void {
  const { position, token, confidence, entropy, row } = guess;
  setToken(canvas, position, token, confidence);
  canvas.entropy[position] = entropy;
  if (canvas.runnersUp) canvas.runnersUp[position] = otherTokens(row, token, mask, count);
}

/** Sets a position after the end of the middle to the end token as well; it needs no prediction. */
function setToEnd(
  canvas: Canvas,
  position: number,
  { end }: GapRules,
  { confidence }: Guess,
  rules: DecodingRules,
): void {
  const token = canvas.tokens[position] as number;
  if (token !== rules.mask && token !== end) {
    const [revealedAt, entropy] = [canvas.revealedAt[position] as number, canvas.entropy[position] as number];
    canvas.overwritten.push({ position, token, revealedAt, entropy });
  }
  setToken(canvas, position, end, confidence);
  canvas.entropy[position] = 0;
}

function setToken(canvas: Canvas, position: number, token: number, confidence: number): void {
  canvas.tokens[position] = token;
  canvas.revealedAt[position] = canvas.forwards;
  canvas.confidence[position] = confidence;
}

/** Logits in which the probabilities of the tokens that end a line are added to that of the end. */
function withMergedEnds(predicted: PositionedRow, { end, lineEnds }: GapRules): PositionedRow {
  const ends = [...lineEnds].filter((id) => id !== end);
  return { position: predicted.position, row: mergeTokens(logitsOf(predicted), [end, ...ends]) };
}
