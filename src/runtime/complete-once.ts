import { type InfillHooks, type InfillRequest, infill } from '../diffusion/infill.ts';
import { shownAlternatives } from '../infilling/infilling.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { defaultSettings } from '../protocol/default-settings.ts';
import type { TracedAlternative } from '../protocol/runtime.ts';
import { AlternativeJudge } from './alternative-judge.ts';
import { stoppingRules } from './inline/discard.ts';
import { allowsSeveralLines } from './inline/multiline.ts';
import type { TextAtCursor } from './inline/text-at-cursor.ts';

/** A completion, and its cost. */
export interface CompletedOnce {
  /** The alternative that an editor shows first; the first one if an editor would show none. */
  readonly alternative: TracedAlternative;
  /** Its index among the alternatives that were made. */
  readonly index: number;
  readonly forwards: number;
}

/** Completes a text as an editor does with its default settings, without cache and debounce. */
export async function completeOnce(
  model: LanguageModel,
  text: TextAtCursor,
  languageId: string,
  { seed, ...hooks }: Pick<InfillRequest, 'seed'> & Pick<InfillHooks, 'watch' | 'checkCancelled'>,
): Promise<CompletedOnce> {
  const { multiline, threshold, contextTokens, contextRefresh } = defaultSettings.completions;
  const singleLine = !allowsSeveralLines(multiline, text);
  const judge = new AlternativeJudge({ languageId, text, singleLine });
  const request: InfillRequest = {
    prefix: text.prefix,
    suffix: text.suffix,
    ...shownAlternatives,
    seed,
    threshold,
    contextTokens,
    contextRefresh,
    singleLine,
    stops: stoppingRules(text),
  };
  const { alternatives, forwards } = await infill(model, request, {
    ...hooks,
    isEnough: (made) => judge.isEnough(made),
  });
  return { ...(await judge.shownFirst(alternatives)), forwards };
}
