import { type InfillRequest, infill } from '../diffusion/infill.ts';
import { shownAlternatives } from '../infilling/infilling.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { defaultSettings } from '../protocol/default-settings.ts';
import type { TracedAlternative } from '../protocol/runtime.ts';
import { isEnough, shownFirst } from './completions.ts';
import { stoppingRules } from './inline/discard.ts';
import { mayHaveSeveralLines } from './inline/multiline.ts';
import type { TextAtCursor } from './inline/text-at-cursor.ts';

/** What one completion came to. */
export interface CompletedOnce {
  /** The alternative that an editor shows first; where it would show none, the first one. */
  readonly alternative: TracedAlternative;
  /** Its place among those that were made. */
  readonly place: number;
  readonly forwards: number;
}

/** Completes a text as an editor does with its default settings, without its cache and its waiting. */
export async function completeOnce(
  model: LanguageModel,
  text: TextAtCursor,
  languageId: string,
  request: Pick<InfillRequest, 'seed' | 'watch' | 'betweenSteps'>,
): Promise<CompletedOnce> {
  const { multiline, threshold, contextTokens } = defaultSettings.completions;
  const singleLine = !mayHaveSeveralLines(multiline, text);
  const { alternatives, forwards } = await infill(model, {
    ...request,
    prefix: text.prefix,
    suffix: text.suffix,
    ...shownAlternatives,
    threshold,
    contextTokens,
    singleLine,
    stops: stoppingRules(text),
    isEnough: (made) => isEnough(made, { languageId, text }, singleLine),
  });
  return { ...(await shownFirst(alternatives, { languageId, text }, singleLine)), forwards };
}
