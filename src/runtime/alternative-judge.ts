import type { Infilling } from '../diffusion/infill-result.ts';
import type { TracedAlternative } from '../protocol/runtime.ts';
import { GapSyntax } from '../syntax/error-count.ts';
import { fittedToSuffix } from './inline/closing-characters.ts';
import { type Candidate, discardedBy } from './inline/discard.ts';
import type { TextAtCursor } from './inline/text-at-cursor.ts';
import { trimCompletion } from './inline/trim.ts';

/** Where alternatives are to be inserted. */
export interface JudgedGap {
  /** VS Code's id. */
  readonly languageId: string;
  readonly text: TextAtCursor;
  readonly singleLine: boolean;
}

/**
 * Trims the alternatives of one request, finds the rule that each one breaks, and orders them. Each alternative is judged
 * once, whether that happens while others are still being made or at the end.
 */
export class AlternativeJudge {
  readonly #gap: JudgedGap;
  readonly #syntax: GapSyntax;
  readonly #judged = new Map<Infilling, TracedAlternative>();
  readonly #texts = new Set<string>();

  constructor(index: JudgedGap) {
    this.#gap = index;
    this.#syntax = new GapSyntax(index.languageId, index.text);
  }

  /** Whether an alternative would be shown before any that is made after it. */
  async isEnough(made: Infilling): Promise<boolean> {
    const { text, discardedBy: rule } = this.judge(made);
    return rule === null && this.#syntax.isClean(text);
  }

  /** Judges an alternative, in the order in which they are made: of two equal ones, the second is discarded. */
  judge(made: Infilling): TracedAlternative {
    const known = this.#judged.get(made);
    if (known) return known;
    const { text: at, singleLine } = this.#gap;
    const { text: raw, ended, meanConfidence: confidence } = made;
    const untrimmed = trimCompletion(raw, at, { singleLine, ended });
    const text = fittedToSuffix(untrimmed, at);
    const candidate: Candidate = { text, untrimmed, confidence };
    // Alternatives that differ only in white space are the same suggestion.
    const normalized = candidate.text.replace(/\s+/g, ' ').trim();
    const rule = this.#texts.has(normalized) ? 'duplicate' : discardedBy(candidate, at);
    this.#texts.add(normalized);
    const judged = { text: candidate.text, confidence, discardedBy: rule };
    this.#judged.set(made, judged);
    return judged;
  }

  /** The indices of alternatives, ordered by the number of syntax errors that they leave, then by the order of generation. */
  order(made: readonly Infilling[]): Promise<number[]> {
    return this.#syntax.order(made.map((alternative) => this.judge(alternative).text));
  }

  /** The alternative that is shown first, and its index; the first one if none would be shown. */
  async shownFirst(
    made: readonly Infilling[],
  ): Promise<{ readonly alternative: TracedAlternative; readonly index: number }> {
    const judged = made.map((alternative) => this.judge(alternative));
    const order = await this.order(made);
    const index = order.find((one) => judged[one]!.discardedBy === null) ?? 0;
    return { alternative: judged[index] as TracedAlternative, index };
  }
}
