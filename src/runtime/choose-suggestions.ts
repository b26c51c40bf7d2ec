import type { CopyCandidate } from '../copies/find-copies.ts';
import { type GateLevel, judgeProposals, type ModelProposal, thresholdOf } from '../copies/gate.ts';
import type { SuggestionGate } from '../model/generation.ts';
import type { TracedAlternative } from '../protocol/runtime.ts';
import type { JudgedGap } from './alternative-judge.ts';
import { fittedToSuffix } from './inline/closing-characters.ts';
import { discardedBy } from './inline/discard.ts';
import { trimCompletion } from './inline/trim.ts';

/** A copy with at least this probability is shown without waiting for the model. */
const confidentCopy = 0.5;

/** The rule of a candidate that the gate holds back. */
export const unlikely = 'unlikely to be right';

/** What is known at the cursor. */
export interface SuggestionParts {
  readonly copies: readonly CopyCandidate[];
  /** The model's alternatives as `AlternativeJudge` orders them; null: the model has not answered, or does not. */
  readonly alternatives: readonly TracedAlternative[] | null;
  /** The probability from which a candidate is shown. */
  readonly threshold: number;
  /** Default: that of the bundled model. */
  readonly gate?: SuggestionGate | undefined;
}

/** The probability from which suggestions are shown: the setting's while you type, 0 if you ask for one. */
export const thresholdFor = (level: GateLevel | 'always', isInvoked: boolean, gate?: SuggestionGate): number =>
  isInvoked || level === 'always' ? 0 : thresholdOf(level, gate);

/**
 * Combines copies and the model's alternatives and orders them by the probability that each is right. A candidate that breaks a rule,
 * or whose probability is below the threshold, has the reason in `discardedBy`.
 */
export function chooseSuggestions(
  gap: JudgedGap,
  { copies, alternatives, threshold, gate }: SuggestionParts,
): TracedAlternative[] {
  const { copies: usable, alternatives: proposed, rejected } = usableProposals(gap, copies, alternatives);
  const place = { ...gap.text, copies: usable, alternatives: proposed };
  const judged = judgeProposals(place, gate).map(
    ({ text, copy, model, probability }): TracedAlternative => ({
      text,
      confidence: model?.confidence ?? null,
      probability,
      discardedBy: probability < threshold ? unlikely : null,
      ...(copy ? { copiedFrom: originOf(copy) } : {}),
    }),
  );
  // Without copies the order stays that of the model, which is by syntax errors.
  const order = (proposed ?? []).map(({ text }) => text);
  if (usable.length === 0) judged.sort((a, b) => order.indexOf(a.text) - order.indexOf(b.text));
  return [...judged, ...rejected];
}

/** The trimmed copies and the model's alternatives that break no rule, and the others. */
export function usableProposals(
  gap: JudgedGap,
  copies: readonly CopyCandidate[],
  alternatives: readonly TracedAlternative[] | null,
) {
  const rejected: TracedAlternative[] = [];
  const usable: CopyCandidate[] = [];
  for (const copy of copies) {
    const { text, rule } = trimmedCopy(gap, copy.text);
    if (rule === null) usable.push({ ...copy, text });
    else rejected.push({ text, confidence: null, discardedBy: rule, copiedFrom: originOf(copy) });
  }
  const proposed: ModelProposal[] = [];
  for (const alternative of alternatives ?? []) {
    const { text, confidence, discardedBy: rule } = alternative;
    if (rule === null && confidence !== null) proposed.push({ text, confidence });
    else rejected.push(alternative);
  }
  return { copies: usable, alternatives: alternatives && proposed, rejected };
}

/** Whether a choice without the model begins with a copy that is shown at once. */
export const isConfident = ([first]: readonly TracedAlternative[]): boolean =>
  first?.discardedBy === null && (first.probability ?? 0) >= confidentCopy;

function trimmedCopy({ text: at, singleLine }: JudgedGap, copied: string) {
  const untrimmed = trimCompletion(copied, at, { singleLine, ended: true });
  const text = fittedToSuffix(untrimmed, at);
  return { text, rule: discardedBy({ text, untrimmed, confidence: 1 }, at) };
}

const originOf = ({ source, matched, count }: CopyCandidate): NonNullable<TracedAlternative['copiedFrom']> => ({
  ...source,
  matched,
  count,
});
