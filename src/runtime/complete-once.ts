import { type InfillHooks, type InfillRequest, infill } from '../diffusion/infill.ts';
import type { Infilling } from '../diffusion/infill-result.ts';
import { shownAlternatives } from '../infilling/infilling.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { defaultSettings } from '../protocol/default-settings.ts';
import type { TracedAlternative } from '../protocol/runtime.ts';
import { AlternativeJudge, type JudgedGap } from './alternative-judge.ts';
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

/** Completes a text as an editor does with its default settings, without cache, debounce, copies and gate. */
export async function completeOnce(
  model: LanguageModel,
  text: TextAtCursor,
  languageId: string,
  { seed, ...hooks }: Pick<InfillRequest, 'seed'> & Pick<InfillHooks, 'watch' | 'checkCancelled'>,
): Promise<CompletedOnce> {
  const singleLine = !allowsSeveralLines(defaultSettings.completions.multiline, text);
  const { judge, infilled } = await generate(model, { text, languageId, singleLine }, seed, hooks);
  return { ...(await judge.shownFirst(infilled.alternatives)), forwards: infilled.forwards };
}

/** The alternatives that an editor gets while the user types, in its order and with the rules that they break. */
export async function alternativesOnce(model: LanguageModel, gap: JudgedGap): Promise<TracedAlternative[]> {
  const { judge, infilled } = await generate(model, gap, 0, {});
  const order = await judge.order(infilled.alternatives);
  return order.map((index) => judge.judge(infilled.alternatives[index] as Infilling));
}

async function generate(model: LanguageModel, gap: JudgedGap, seed: number, hooks: InfillHooks) {
  const { threshold, contextTokens, contextRefresh } = defaultSettings.completions;
  const { text, singleLine } = gap;
  const judge = new AlternativeJudge(gap);
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
  const infilled = await infill(model, request, { ...hooks, isEnough: (made) => judge.isEnough(made) });
  return { judge, infilled };
}
