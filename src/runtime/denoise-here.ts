import { infill } from '../diffusion/infill.ts';
import { shownAlternatives } from '../infilling/infilling.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { CompletionSettings, DenoiseParameters, DenoiseResult, DenoisingFrame } from '../protocol/runtime.ts';
import type { Frame } from '../protocol/sample.ts';
import { type CompletionQuery, shownFirst } from './completions.ts';
import { recordFrames, watchedRunnersUp, withoutEnd } from './frame.ts';
import { mayHaveSeveralLines } from './inline/multiline.ts';
import type { Scheduler } from './scheduler.ts';

export interface DenoiseHooks {
  readonly settings: CompletionSettings;
  /** Who else computes here: a completion that is asked for meanwhile waits for the end. */
  readonly turns: Scheduler;
  readonly signal: AbortSignal;
  readonly send: (frame: DenoisingFrame) => Promise<void>;
}

/** Tokens of text that stand beside a denoising that somebody looks at. */
const shownBefore = 400;

/** Completes at a place for who wants to see how: nothing is trimmed or discarded, and every step of every alternative is kept. */
export async function denoiseHere(
  getModel: () => Promise<LanguageModel>,
  { text, uri, languageId }: CompletionQuery,
  { seed, alternatives }: DenoiseParameters,
  { settings, turns, signal, send }: DenoiseHooks,
): Promise<DenoiseResult> {
  const begin = performance.now();
  const singleLine = !mayHaveSeveralLines(settings.multiline, text);
  const sending: Promise<void>[] = [];
  const { result, frames } = await turns.run('invoked', signal, async (yieldToEventLoop) => {
    const model = await getModel();
    const { frames, watch } = recordFrames(model, alternatives, (alternative, frame) => {
      sending.push(send({ alternative, frame }));
    });
    const result = await infill(model, {
      ...text,
      alternatives,
      seed,
      temperature: shownAlternatives.temperature,
      threshold: settings.threshold,
      contextTokens: settings.contextTokens,
      singleLine,
      runnersUp: watchedRunnersUp,
      watch,
      betweenSteps: yieldToEventLoop,
    });
    return { result, frames };
  });
  await Promise.all(sending);
  const { place: best } = await shownFirst(result.alternatives, { languageId, text }, singleLine);
  return {
    best,
    alternatives: result.alternatives.map(({ text: written, meanConfidence }, alternative) => ({
      text: written,
      confidence: meanConfidence,
      denoising: {
        title: `${uri.split('/').at(-1)}, alternative ${alternative + 1}`,
        prompt: withoutEnd(text.prefix, result.begun).slice(-shownBefore),
        outcome: null,
        frames: frames[alternative] as Frame[],
      },
    })),
    forwards: result.forwards,
    milliseconds: performance.now() - begin,
  };
}
