import type { Tokenizer } from '../../model/tokenizer.ts';
import type { Random } from '../../platform/random.ts';
import type { Example, ExampleCanvas } from '../masked-diffusion-loss.ts';
import type { SourceFile } from './corpus.ts';
import { FileDraw } from './file-draw.ts';
import { drawGap, type Gap, type GapKind } from './gaps.ts';

/** Weight of canvas tokens after the first end of the middle, which itself has the full weight. */
const fillWeight = 0.1;

/**
 * Canvas widths in training: those of decoding (`canvas`, `line_canvas`, and half and a quarter of them). The width
 * of a canvas shows the model roughly how long the middle is.
 */
const canvasWidths = [8, 16, 32, 64] as const;

/** The probability that a canvas is twice as wide as necessary, applied repeatedly. */
const widerProbability = 1 / 3;

const shares: readonly (readonly [GapKind, number])[] = [
  ['line', 0.45],
  ['lines', 0.25],
  ['block', 0.15],
  ['span', 0.15],
];

/** More characters than a token has on average, so that enough text is encoded. */
const charactersPerToken = 8;

/** Draws examples from source files; every character has the same probability. */
export class GapExamples {
  readonly #files: FileDraw;
  readonly #tokenizer: Tokenizer;
  readonly #eom: number;

  constructor(files: readonly SourceFile[], tokenizer: Tokenizer, eom: number) {
    this.#files = new FileDraw(files);
    this.#tokenizer = tokenizer;
    this.#eom = eom;
  }

  /** Prefix, canvas with the middle and its end, suffix: `length` tokens in all, fewer if the file is short. */
  gap(length: number, random: Random): Example {
    for (;;) {
      const { text } = this.#files.draw(random);
      const gap = drawGap(text, drawKind(random), 'piece', random);
      const example = gap && this.#fill(text, gap, length, random);
      if (example) return example;
    }
  }

  /**
   * `length` tokens of text with one or more gaps, each with its own canvas. A step then learns from many gaps at the
   * cost of one text.
   */
  gaps(length: number, random: Random): Example {
    for (;;) {
      const { text } = this.#files.draw(random);
      const start = this.#lineStart(text, length, random);
      const window = text.slice(start, start + length * charactersPerToken);
      const draws = 1 + random.integer(Math.ceil(length / 10));
      const example = this.#fillSeveral(window, drawApart(window, draws, 3 * length, random), length, random);
      if (example.canvases.length > 0 && example.tokens.length >= length / 2) return example;
    }
  }

  /** Plain text without a gap: everything is canvas. */
  text(length: number, random: Random): Example {
    for (;;) {
      const { text } = this.#files.draw(random);
      const start = this.#lineStart(text, length, random);
      const tokens = this.#tokenizer.encode(text.slice(start, start + length * charactersPerToken)).slice(0, length);
      if (tokens.length >= length / 2) return { tokens, canvases: [{ start: 0, end: tokens.length }] };
    }
  }

  /** The tokens of a middle and its end, after `before` context tokens; missing context is filled with `none`. */
  middle(before: number, none: number, random: Random): number[] {
    for (;;) {
      const { text } = this.#files.draw(random);
      const gap = drawGap(text, drawKind(random), 'piece', random);
      if (!gap) continue;
      const near = text.slice(Math.max(0, gap.start - before * charactersPerToken), gap.start);
      const known = this.#tokenizer.encode(near).slice(-before);
      const missing = Array<number>(before - known.length).fill(none);
      return [...missing, ...known, ...this.#tokenizer.encode(text.slice(gap.start, gap.end)), this.#eom];
    }
  }

  /** The start of a line that is followed by about `length` tokens. */
  #lineStart(text: string, length: number, random: Random): number {
    const latestStart = Math.max(0, text.length - 3 * length);
    return latestStart === 0 ? 0 : text.indexOf('\n', random.integer(latestStart)) + 1;
  }

  #fillSeveral(text: string, gaps: readonly Gap[], length: number, random: Random): Example {
    const tokens: number[] = [];
    const canvases: ExampleCanvas[] = [];
    let at = 0;
    for (const { start, end } of gaps) {
      const between = this.#tokenizer.encode(text.slice(at, start));
      const middle = this.#tokenizer.encode(text.slice(start, end));
      const width = drawWidth(middle.length, random);
      if (width === null || tokens.length + between.length + width > length) break;
      tokens.push(...between);
      canvases.push(this.#canvas(middle, tokens.length, width));
      tokens.push(...middle, ...Array<number>(width - middle.length).fill(this.#eom));
      at = end;
    }
    return { tokens: [...tokens, ...this.#tokenizer.encode(text.slice(at))].slice(0, length), canvases };
  }

  #canvas(middle: readonly number[], start: number, width: number): ExampleCanvas {
    const importance = Array.from({ length: width }, (_, position) => (position <= middle.length ? 1 : fillWeight));
    return { start, end: start + width, importance };
  }

  #fill(text: string, { start, end }: Gap, length: number, random: Random): Example | null {
    const middle = this.#tokenizer.encode(text.slice(start, end));
    const width = drawWidth(middle.length, random);
    if (width === null) return null;
    const budget = length - width;
    // At the end of a file, nothing follows the cursor.
    const hasSuffix = random.uniform() >= 0.15;
    const suffix = this.#tokenizer
      .encode(hasSuffix ? text.slice(end, end + budget * charactersPerToken) : '')
      .slice(0, Math.floor(budget * (0.1 + 0.4 * random.uniform())));
    const before = this.#tokenizer.encode(text.slice(Math.max(0, start - budget * charactersPerToken), start));
    const prefix = before.slice(Math.max(0, before.length - (budget - suffix.length)));
    const fill = Array<number>(width - middle.length).fill(this.#eom);
    return {
      tokens: [...prefix, ...middle, ...fill, ...suffix],
      canvases: [this.#canvas(middle, prefix.length, width)],
    };
  }
}

/** A width that fits a middle of this many tokens and its end, most often the smallest. Null: none fits. */
function drawWidth(tokens: number, random: Random): number | null {
  const widths = canvasWidths.filter((width) => width > tokens);
  const last = widths.length - 1;
  let drawn = 0;
  while (drawn < last && random.uniform() < widerProbability) drawn++;
  return widths[drawn] ?? null;
}

/** A kind of gap, drawn as often as in the training of a code model. */
export function drawKind(random: Random): GapKind {
  let left = random.uniform();
  for (const [kind, share] of shares) {
    left -= share;
    if (left < 0) return kind;
  }
  return 'line';
}

/** Up to `draws` gaps that begin within the first `characters` of a text, in order and not adjacent. */
function drawApart(text: string, draws: number, characters: number, random: Random): Gap[] {
  const gaps: Gap[] = [];
  for (let draw = 0; draw < draws; draw++) {
    const gap = drawGap(text.slice(0, characters), drawKind(random), 'piece', random);
    if (gap && gaps.every(({ start, end }) => gap.end < start || gap.start > end)) gaps.push(gap);
  }
  return gaps.sort((a, b) => a.start - b.start);
}
