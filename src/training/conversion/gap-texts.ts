import { type SuffixFirstTokens, suffixFirst } from '../../model/fill-in-the-middle.ts';
import type { Tokenizer } from '../../model/tokenizer.ts';
import type { Random } from '../../platform/random.ts';
import type { SourceFile } from '../code/corpus.ts';
import { FileDraw } from '../code/file-draw.ts';
import { drawKind } from '../code/gap-examples.ts';
import { drawGap } from '../code/gaps.ts';

/** A file with a gap in the suffix-first format, ending with the end of the middle. */
export interface GapText {
  readonly tokens: readonly number[];
  /** The first token of the prefix; the tokens before it are not predicted. */
  readonly prefixStart: number;
  /** The first token of the middle. */
  readonly cut: number;
}

/** More characters than a token of code has on average, so that enough text is encoded. */
const charactersPerToken = 8;

/** At the end of a file, nothing follows the cursor. */
const noSuffix = 0.15;

/** The shares of a text that its suffix takes, at least and at most. */
const suffixShare = { least: 0.05, most: 0.3 } as const;

export interface GapTokens extends SuffixFirstTokens {
  readonly eom: number;
}

/**
 * Draws gaps in source files as texts of a length. Prefix and middle are encoded together, so that no token shows where the cut
 * was: the decoder spells the end of the prefix again (token healing, `healedPrefix`). Middles therefore begin with the
 * token that contains the cut.
 */
export class GapTexts {
  readonly #files: FileDraw;
  readonly #tokenizer: Tokenizer;
  readonly #special: GapTokens;

  constructor(files: readonly SourceFile[], tokenizer: Tokenizer, special: GapTokens) {
    this.#files = new FileDraw(files);
    this.#tokenizer = tokenizer;
    this.#special = special;
  }

  /** A text of at most `length` tokens, and at least half as many. */
  draw(length: number, random: Random): GapText {
    for (;;) {
      const { text } = this.#files.draw(random);
      const gap = drawGap(text, drawKind(random), 'piece', random);
      const made = gap && this.#textOf(text, gap, length, random);
      if (made && made.tokens.length >= length / 2) return made;
    }
  }

  #textOf(
    text: string,
    { start, end }: { start: number; end: number },
    length: number,
    random: Random,
  ): GapText | null {
    const budget = length - 3;
    const share = suffixShare.least + (suffixShare.most - suffixShare.least) * random.uniform();
    const after = random.uniform() < noSuffix ? '' : text.slice(end, end + budget * charactersPerToken);
    const suffix = this.#tokenizer.encode(after).slice(0, Math.floor(budget * share));
    const before = text.slice(Math.max(0, end - budget * charactersPerToken), end);
    const known = this.#tokenizer.encode(before).slice(-(budget - suffix.length));
    const middle = this.#tokenizer.encode(text.slice(start, end)).length;
    if (known.length <= middle) return null;
    const context = suffixFirst([], suffix, this.#special);
    const tokens = [...context, ...known, this.#special.eom];
    return { tokens, prefixStart: context.length, cut: tokens.length - 1 - middle };
  }
}
