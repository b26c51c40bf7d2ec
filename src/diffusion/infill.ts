import type { ModelConfig } from '../model/config.ts';
import type { GenerationDefaults } from '../model/generation.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { UserError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import { drawToken, probability, type RunnerUp, runnersUp } from './denoise.ts';
import { type Gap, openGap } from './gap.ts';
import { begunPiece, spellingOut } from './token-healing.ts';

/** What stands before and after the place to be filled, and how. */
export interface InfillRequest {
  readonly prefix: string;
  readonly suffix: string;
  /**
   * Completions that are made: the first three are greedy, on a quarter of the model's canvas, on half and on all of it, the
   * others are drawn at `temperature` on all of it. Where the `width` is given the first alone is greedy.
   */
  readonly alternatives: number;
  readonly seed: number;
  /** Temperature of the alternatives that are drawn. */
  readonly temperature: number;
  /** A token is revealed as soon as the model is surer of it than this; at least one is in every step. */
  readonly threshold: number;
  /** Tokens of prefix and suffix that are read at most, the nearest to the gap. */
  readonly contextTokens: number;
  /** Tokens of every canvas; absent: as many as the model is meant to be decoded with, and fewer. */
  readonly width?: number;
  /** Tokens of a block; absent: as many as the model is meant to be decoded with. */
  readonly block?: number;
  /** Stop at the end of the first line: what follows it is not denoised. */
  readonly singleLine: boolean;
  /** When an alternative is not denoised to its end; absent: never. */
  readonly stops?: StoppingRules;
  /**
   * Asked of every alternative but the last once it is done, whether it will do: the next is begun where it will not. Absent:
   * all are made.
   */
  readonly isEnough?: (made: Infilling) => Promise<boolean>;
  /** So many of the likeliest other tokens are kept of every place that the model reveals; none where it is absent. */
  readonly runnersUp?: number;
  /** Sees an alternative after each of its steps, and what of the prefix it repeats; for who watches. */
  readonly watch?: (alternative: number, canvas: WatchedCanvas, begun: string) => void;
  /** Awaited between two steps; throws to stop. */
  readonly betweenSteps?: () => Promise<void> | void;
}

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

export interface Infilled {
  /** As many as were asked for, or up to the first that was enough. */
  readonly alternatives: readonly Infilling[];
  /** The end of the prefix that the canvas repeats: a word under way (`begunPiece`). */
  readonly begun: string;
  /** Tokens of prefix and suffix that were read. */
  readonly contextTokens: number;
  /** Forward passes over the canvas. */
  readonly forwards: number;
  /** Milliseconds for reading the context, and for the denoising steps. */
  readonly contextMilliseconds: number;
  readonly denoiseMilliseconds: number;
}

/**
 * Whether a model fills gaps: it was trained to, or it is a published one whose tokens see what is behind them too. Those fill
 * the canvas as it stands, for they know no end of the middle but the end of the text.
 */
export const completesCode = (config: ModelConfig): boolean =>
  config.attention === 'prefix-lm'
    ? config.eom_token_id !== undefined
    : config.attention === 'full' && config.published_config !== undefined;

/**
 * Widths of the greedy alternatives, of the model's canvas. How long a middle is nobody knows, and a model expects about as
 * much as the canvas holds, so that several widths are several guesses at the length. What is short is right most often, and
 * made soonest.
 */
const canvasShares = [1 / 4, 1 / 2, 1] as const;

/**
 * Fills the gap between a prefix and a suffix. A canvas stands in the gap, wider than most middles, and the model says
 * where the middle ends: behind the end-of-middle token there is nothing. Blocks are unmasked from the left, and within
 * a block every token surer than `threshold` at once (Fast-dLLM, arXiv 2505.22618). Where the attention allows it, the
 * context is read once for each width and a step costs the canvas alone. Throws a `UserError` where the model cannot fill
 * gaps.
 */
export async function infill(model: LanguageModel, request: InfillRequest): Promise<Infilled> {
  const { config, tokenizer, generation } = model;
  if (!completesCode(config))
    throw new UserError('This model was not trained to complete code; choose one that was, such as unmask-code.');
  const width = request.width ?? canvasWidth(generation, request.singleLine);
  const begun = begunPiece(tokenizer, request.prefix);
  const given = { ...request, prefix: request.prefix.slice(0, request.prefix.length - begun.length) };
  const context = readContext(tokenizer, given, config.max_position_embeddings - width);
  const rules: Rules = {
    mask: config.mask_token_id,
    end: config.eom_token_id ?? config.eos_token_id,
    endsLine: request.singleLine ? newlineTokens(tokenizer) : new Set(),
    tokenizer,
    block: request.block ?? generation.block_length,
    threshold: request.threshold,
    runnersUp: request.runnersUp ?? 0,
    stops: request.stops ?? null,
  };
  const shares = request.width === undefined ? canvasShares : [1];
  const canvases = Array.from({ length: request.alternatives }, (_, index) => {
    const greedy = index < shares.length;
    const tokens = Math.ceil(width * (shares[index] ?? 1));
    return newCanvas(tokens, begun, rules, greedy ? 0 : request.temperature, new Random(request.seed, 'infill', index));
  });

  /** By width. */
  const gaps = new Map<number, Gap>();
  let [forwards, contextMilliseconds, denoiseMilliseconds] = [0, 0, 0];
  /** Fills canvases of one width together. */
  const denoise = async (batch: readonly OpenCanvas[]) => {
    await request.betweenSteps?.();
    const begin = performance.now();
    const { length } = (batch[0] as OpenCanvas).tokens;
    const gap = gaps.get(length) ?? (await openGap(model, context, length));
    gaps.set(length, gap);
    const read = performance.now();
    for (let open = batch; open.length > 0; open = open.filter(({ done }) => !done)) {
      await request.betweenSteps?.();
      // Whole blocks, so that there are few shapes and each has its program after the first completions.
      const from = Math.min(...open.map((canvas) => blockEnd(canvas.from, rules.block))) - rules.block;
      const to = Math.min(length, Math.max(...open.map((canvas) => blockEnd(canvas.from, rules.block))));
      const tokens = open.map((canvas) => canvas.tokens);
      const logits = await gap.logits(tokens, { from, to });
      forwards++;
      for (const [row, canvas] of open.entries()) {
        reveal(canvas, logits[row] as Float32Array, from, config.vocab_size, rules);
        canvas.done ||= isStopped(canvas, begun, rules);
        request.watch?.(canvases.indexOf(canvas), canvas, begun);
      }
    }
    contextMilliseconds += read - begin;
    denoiseMilliseconds += performance.now() - read;
  };
  const { isEnough } = request;
  for (const batch of isEnough ? canvases.map((canvas) => [canvas]) : ofOneWidth(canvases)) {
    await denoise(batch);
    const [made] = batch as [OpenCanvas];
    if (isEnough && made !== canvases.at(-1) && (await isEnough(finished(made, begun, rules)))) break;
  }
  return {
    alternatives: canvases.filter(({ done }) => done).map((canvas) => finished(canvas, begun, rules)),
    begun,
    contextTokens: context.prefix.length + context.suffix.length,
    forwards,
    contextMilliseconds,
    denoiseMilliseconds,
  };
}

function ofOneWidth(canvases: readonly OpenCanvas[]): OpenCanvas[][] {
  const widths = new Set(canvases.map(({ tokens }) => tokens.length));
  return [...widths].map((width) => canvases.filter(({ tokens }) => tokens.length === width));
}

/** Tokens of the widest canvas that a model fills a gap with. */
export const canvasWidth = ({ line_canvas = 32, canvas = 64 }: GenerationDefaults, singleLine: boolean): number =>
  singleLine ? line_canvas : canvas;

/** Characters that hold `tokens` tokens of code, with room to spare. */
const charactersPerToken = 8;

/** The tokens nearest to the gap: up to three quarters of them before it, and what one side does not need goes to the other. */
export function readContext(
  tokenizer: Tokenizer,
  { prefix, suffix, contextTokens }: Pick<InfillRequest, 'prefix' | 'suffix' | 'contextTokens'>,
  room: number,
): { readonly prefix: number[]; readonly suffix: number[] } {
  const budget = Math.min(contextTokens, room);
  const before = tokenizer.encode(lastCharacters(prefix, budget * charactersPerToken));
  const behind = tokenizer.encode(firstCharacters(suffix, budget * charactersPerToken));
  const reserved = Math.min(behind.length, Math.floor(budget / 4));
  const kept = before.slice(Math.max(0, before.length - (budget - reserved)));
  return { prefix: kept, suffix: behind.slice(0, budget - kept.length) };
}

/** Cut between whole characters: half a surrogate pair is no text. */
function lastCharacters(text: string, count: number): string {
  const cut = text.slice(-count);
  return /^[\uDC00-\uDFFF]/.test(cut) && cut.length < text.length ? cut.slice(1) : cut;
}

function firstCharacters(text: string, count: number): string {
  const cut = text.slice(0, count);
  return /[\uD800-\uDBFF]$/.test(cut) && cut.length < text.length ? cut.slice(0, -1) : cut;
}

interface Rules {
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

interface OpenCanvas extends WatchedCanvas {
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

function newCanvas(width: number, begun: string, rules: Rules, temperature: number, random: Random): OpenCanvas {
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

const blockEnd = (place: number, block: number): number => (Math.floor(place / block) + 1) * block;

/** One step: reveals what is sure enough in the block that is under way; `logits` begin at place `first`. */
function reveal(canvas: OpenCanvas, logits: Float32Array, first: number, vocabulary: number, rules: Rules): void {
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
function spellOut(canvas: OpenCanvas, guesses: readonly Guess[], rules: Rules): void {
  for (const [index, { place, row: free }] of guesses.entries()) {
    const row = spellingOut(free, canvas.begun, rules.tokenizer);
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
function revealSure(canvas: OpenCanvas, guesses: readonly Guess[], rules: Rules): void {
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

function draw({ temperature, random }: OpenCanvas, row: Float32Array, { mask }: Rules) {
  const token = drawToken(row, temperature, mask, random);
  return { token, confidence: probability(row, token, mask) };
}

function take(canvas: OpenCanvas, place: number, row: Float32Array, token: number, sure: number, rules: Rules): void {
  put(canvas, place, token, sure);
  if (canvas.runnersUp) canvas.runnersUp[place] = runnersUp(row, token, rules.mask, rules.runnersUp);
}

function put({ tokens, revealedAt, confidence, step }: OpenCanvas, place: number, token: number, sure: number): void {
  tokens[place] = token;
  revealedAt[place] = step;
  confidence[place] = sure;
}

function isStopped(canvas: OpenCanvas, begun: string, rules: Rules): boolean {
  const { stops, mask } = rules;
  if (!stops) return false;
  const { tokens, begunTokens } = canvas;
  const revealed = tokens.length - tokens.reduce((masked, token) => masked + Number(token === mask), 0) - begunTokens;
  if (revealed >= judgedAfter && meanConfidence(canvas, rules) < stops.leastConfidence) return true;
  return stops.isOver(writtenText(canvas, begun, rules).text);
}

/** What stands in the canvas from the left up to its end or the first mask. */
function writtenText({ tokens }: InfillCanvas, begun: string, { mask, end, tokenizer }: Rules) {
  const found = tokens.findIndex((token) => token === end || token === mask);
  const length = found === -1 ? tokens.length : found;
  const text = tokenizer.decode(tokens.subarray(0, length)).slice(begun.length);
  return { text, length, ended: tokens[length] === end };
}

/** Of the revealed tokens before the end, those left out that were typed already, which are no guess. */
function meanConfidence({ tokens, confidence, begunTokens }: OpenCanvas, { mask, end }: Rules): number {
  const found = tokens.indexOf(end);
  const places = [...tokens.keys()].slice(begunTokens, found === -1 ? undefined : Math.max(begunTokens + 1, found));
  const counted = places.filter((place) => tokens[place] !== mask);
  // A narrow canvas may hold no more than what was begun.
  if (counted.length === 0) return 0;
  return counted.reduce((sum, place) => sum + (confidence[place] as number), 0) / counted.length;
}

function finished(canvas: OpenCanvas, begun: string, rules: Rules): Infilling {
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

function newlineTokens(tokenizer: Tokenizer): ReadonlySet<number> {
  let found = newlines.get(tokenizer);
  if (!found) {
    found = new Set(tokenizer.texts.flatMap((text, id) => (text.includes('\n') ? [id] : [])));
    newlines.set(tokenizer, found);
  }
  return found;
}
