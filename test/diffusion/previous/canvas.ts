import { constrainToPrefix } from '../../../src/diffusion/token-healing.ts';
import type { Tokenizer } from '../../../src/model/tokenizer.ts';
import type { Random } from '../../../src/platform/random.ts';
import { drawToken, probability, type RunnerUp, runnersUp } from './denoise.ts';

/** What makes the rest of an alternative not worth its time: what is left out would not be shown. */
export interface StoppingRules {
  /** Whether what follows this text would be cut off; it is written from the left without a gap. */
  readonly isOver: (text: string) => boolean;
  /**
   * An alternative of eight tokens or more whose mean probability is below this is given up. The surest of a block are
   * revealed first, so that one that begins below it seldom rises above.
   */
  readonly leastConfidence: number;
}

/** Tokens by which an alternative is judged at the earliest. */
const judgedAfter = 8;

/** The gap as it stands: lists of one length, one entry per place of the canvas. */
export interface InfillCanvas {
  /** Token ids; the mask where nothing is revealed yet. */
  readonly tokens: Int32Array;
  /** The step (from 0) that revealed each token; -1 where masked. */
  readonly revealedAt: Int32Array;
  /** The model's probability of each token when it was revealed. */
  readonly confidence: Float32Array;
  /** What the model would have written instead; null where nothing is revealed, or follows from the end before it. */
  readonly runnersUp?: readonly (readonly RunnerUp[] | null)[];
}

export interface WatchedCanvas extends InfillCanvas {
  /** Steps that were made. */
  readonly step: number;
  /** Nothing more is revealed: the middle came to its end, or was stopped. */
  readonly done: boolean;
}

export interface Infilling extends InfillCanvas {
  /** The middle, up to its end or to where it was stopped, behind what was begun. */
  readonly text: string;
  /** Tokens of the middle and of what was begun, the end left out. */
  readonly length: number;
  /** Whether the middle came to its end within the canvas. */
  readonly ended: boolean;
  /**
   * Mean probability of the revealed tokens of the middle when they were revealed; of its end where the middle is empty, 0
   * where there was no room for it.
   */
  readonly meanConfidence: number;
}

/** How canvases are filled; of a request, in tokens of the model. */
export interface InfillRules {
  readonly mask: number;
  readonly end: number;
  /** Tokens with which a single line is over. */
  readonly endsLine: ReadonlySet<number>;
  readonly tokenizer: Tokenizer;
  readonly block: number;
  readonly threshold: number;
  readonly runnersUp: number;
  readonly stops: StoppingRules | null;
}

/** A canvas that is being filled. */
export interface OpenCanvas extends WatchedCanvas {
  done: boolean;
  readonly runnersUp?: (readonly RunnerUp[] | null)[];
  /** The first place that is still to be revealed. */
  from: number;
  step: number;
  /** What the next tokens have to spell out, and how many did so far without reaching past it. */
  begun: string;
  begunTokens: number;
  readonly temperature: number;
  readonly random: Random;
}

export function newCanvas(
  width: number,
  begun: string,
  rules: InfillRules,
  temperature: number,
  random: Random,
): OpenCanvas {
  return {
    tokens: new Int32Array(width).fill(rules.mask),
    revealedAt: new Int32Array(width).fill(-1),
    confidence: new Float32Array(width),
    ...(rules.runnersUp > 0 ? { runnersUp: Array.from({ length: width }, () => null) } : {}),
    done: false,
    from: 0,
    step: 0,
    begun,
    begunTokens: 0,
    temperature,
    random,
  };
}

export const blockEnd = (place: number, block: number): number => (Math.floor(place / block) + 1) * block;

/** One step: reveals what is sure enough in the block that is under way; `logits` begin at place `first`. */
export function reveal(
  canvas: OpenCanvas,
  logits: Float32Array,
  first: number,
  vocabulary: number,
  rules: InfillRules,
): void {
  const { tokens } = canvas;
  const end = Math.min(tokens.length, blockEnd(canvas.from, rules.block));
  const guesses: Guess[] = [];
  for (let place = canvas.from; place < end; place++) {
    if (tokens[place] !== rules.mask) continue;
    guesses.push({ place, row: logits.subarray((place - first) * vocabulary, (place - first + 1) * vocabulary) });
  }
  if (canvas.begun === '') revealSure(canvas, guesses, rules);
  else spellOut(canvas, guesses, rules);
  const next = tokens.indexOf(rules.mask, canvas.from);
  canvas.done = next === -1;
  canvas.from = next;
  canvas.step++;
}

/** A masked place, and the logits of the tokens there. */
interface Guess {
  readonly place: number;
  readonly row: Float32Array;
}

/** From the left, the tokens of what is begun: the first at least, and more of them where they are sure. */
function spellOut(canvas: OpenCanvas, guesses: readonly Guess[], rules: InfillRules): void {
  for (const [index, { place, row: free }] of guesses.entries()) {
    const row = constrainToPrefix(free, canvas.begun, rules.tokenizer);
    const { token, confidence } = draw(canvas, row, rules);
    if (index > 0 && !(confidence > rules.threshold)) return;
    take(canvas, place, row, token, confidence, rules);
    const text = rules.tokenizer.texts[token] as string;
    if (text.length <= canvas.begun.length) canvas.begunTokens++;
    canvas.begun = canvas.begun.slice(text.length);
    // The others do not know yet what was begun.
    if (canvas.begun === '') return;
  }
}

/**
 * Every token that is surer than the threshold; where none is, the surest. Ends that are surer than anything else come with
 * it, for each would be the surest in its turn unless the model changed its mind.
 */
function revealSure(canvas: OpenCanvas, guesses: readonly Guess[], rules: InfillRules): void {
  const drawn = guesses.map(({ place, row }) => ({ place, row, ...draw(canvas, row, rules) }));
  const surest = drawn.reduce((best, guess) => (guess.confidence > best.confidence ? guess : best));
  const others = drawn.flatMap(({ token, confidence }) => (token === rules.end ? [] : [confidence]));
  const surestOther = Math.max(0, ...others);
  for (const guess of drawn) {
    const { place, row, token, confidence } = guess;
    const isSurestEnd = token === rules.end && confidence > surestOther;
    if (guess !== surest && !isSurestEnd && !(confidence > rules.threshold)) continue;
    take(canvas, place, row, token, confidence, rules);
    if (token === rules.end || rules.endsLine.has(token)) {
      // Nothing comes behind the end, so the places there need no guess.
      for (let behind = place + 1; behind < canvas.tokens.length; behind++) put(canvas, behind, rules.end, confidence);
      break;
    }
  }
}

function draw({ temperature, random }: OpenCanvas, row: Float32Array, { mask }: InfillRules) {
  const token = drawToken(row, temperature, mask, random);
  return { token, confidence: probability(row, token, mask) };
}

function take(
  canvas: OpenCanvas,
  place: number,
  row: Float32Array,
  token: number,
  sure: number,
  rules: InfillRules,
): void {
  put(canvas, place, token, sure);
  if (canvas.runnersUp) canvas.runnersUp[place] = runnersUp(row, token, rules.mask, rules.runnersUp);
}

function put({ tokens, revealedAt, confidence, step }: OpenCanvas, place: number, token: number, sure: number): void {
  tokens[place] = token;
  revealedAt[place] = step;
  confidence[place] = sure;
}

export function isStopped(canvas: OpenCanvas, begun: string, rules: InfillRules): boolean {
  const { stops, mask } = rules;
  if (!stops) return false;
  const { tokens, begunTokens } = canvas;
  const revealed = tokens.length - tokens.reduce((masked, token) => masked + Number(token === mask), 0) - begunTokens;
  if (revealed >= judgedAfter && meanConfidence(canvas, rules) < stops.leastConfidence) return true;
  return stops.isOver(writtenText(canvas, begun, rules).text);
}

/** What stands in the canvas from the left up to its end or the first mask. */
function writtenText({ tokens }: InfillCanvas, begun: string, { mask, end, tokenizer }: InfillRules) {
  const found = tokens.findIndex((token) => token === end || token === mask);
  const length = found === -1 ? tokens.length : found;
  const text = tokenizer.decode(tokens.subarray(0, length)).slice(begun.length);
  return { text, length, ended: tokens[length] === end };
}

/** Of the revealed tokens before the end, those left out that were typed already, which are no guess. */
function meanConfidence({ tokens, confidence, begunTokens }: OpenCanvas, { mask, end }: InfillRules): number {
  const found = tokens.indexOf(end);
  const places = [...tokens.keys()].slice(begunTokens, found === -1 ? undefined : Math.max(begunTokens + 1, found));
  const counted = places.filter((place) => tokens[place] !== mask);
  // A narrow canvas may hold no more than what was begun.
  if (counted.length === 0) return 0;
  return counted.reduce((sum, place) => sum + (confidence[place] as number), 0) / counted.length;
}

export function finished(canvas: OpenCanvas, begun: string, rules: InfillRules): Infilling {
  const { tokens, revealedAt, confidence, runnersUp } = canvas;
  const { text, length, ended } = writtenText(canvas, begun, rules);
  return {
    tokens,
    revealedAt,
    confidence,
    ...(runnersUp ? { runnersUp } : {}),
    text: rules.endsLine.size > 0 ? (text.split(/\r?\n/, 1)[0] as string) : text,
    length,
    ended,
    meanConfidence: meanConfidence(canvas, rules),
  };
}

const newlines = new WeakMap<Tokenizer, ReadonlySet<number>>();

export function newlineTokens(tokenizer: Tokenizer): ReadonlySet<number> {
  let found = newlines.get(tokenizer);
  if (!found) {
    found = new Set(tokenizer.texts.flatMap((text, id) => (text.includes('\n') ? [id] : [])));
    newlines.set(tokenizer, found);
  }
  return found;
}
