import { type InfillRequest, infill } from '../diffusion/infill.ts';
import { shownAlternatives } from '../infilling/infilling.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { CompletionSettings, DenoiseParameters, DenoiseResult, DenoisingFrame } from '../protocol/runtime.ts';
import type { Frame } from '../protocol/sample.ts';
import { AlternativeJudge } from './alternative-judge.ts';
import type { CompletionQuery } from './completion-query.ts';
import { recordFrames, watchedRunnersUp, withoutEnd } from './frame.ts';
import { allowsSeveralLines } from './inline/multiline.ts';
import type { Scheduler } from './scheduler.ts';

export interface DenoiseHooks {
  readonly settings: CompletionSettings;
  /** A completion that is requested meanwhile waits until the denoising ends. */
  readonly scheduler: Scheduler;
  readonly signal: AbortSignal;
  readonly send: (frame: DenoisingFrame) => Promise<void>;
}

/** Characters before the cursor that are shown with a denoising. */
const shownBefore = 400;

/** Completes at a position and keeps every step of every alternative; nothing is trimmed or discarded. */
export async function denoiseHere(
  getModel: () => Promise<LanguageModel>,
  { text, uri, languageId }: CompletionQuery,
  { seed, alternatives }: DenoiseParameters,
  { settings, scheduler, signal, send }: DenoiseHooks,
): Promise<DenoiseResult> {
  const begin = performance.now();
  const singleLine = !allowsSeveralLines(settings.multiline, text);
  const sending: Promise<void>[] = [];
  const { result, frames } = await scheduler.run('invoked', signal, async (yieldToEventLoop) => {
    const model = await getModel();
    const { frames, watch } = recordFrames(model, alternatives, (alternative, frame) => {
      sending.push(send({ alternative, frame }));
    });
    const request: InfillRequest = {
      ...text,
      alternatives,
      seed,
      temperature: shownAlternatives.temperature,
      threshold: settings.threshold,
      contextTokens: settings.contextTokens,
      contextRefresh: settings.contextRefresh,
      singleLine,
    };
    const result = await infill(model, request, {
      runnersUp: watchedRunnersUp,
      watch,
      checkCancelled: yieldToEventLoop,
    });
    return { result, frames };
  });
  await Promise.all(sending);
  const judge = new AlternativeJudge({ languageId, text, singleLine });
  const { index: best } = await judge.shownFirst(result.alternatives);
  return {
    best,
    alternatives: result.alternatives.map(({ text: written, meanConfidence }, alternative) => ({
      text: written,
      confidence: meanConfidence,
      denoising: {
        title: `${uri.split('/').at(-1)}, alternative ${alternative + 1}`,
        prompt: withoutEnd(text.prefix, result.healed).slice(-shownBefore),
        outcome: null,
        frames: frames[alternative] as Frame[],
      },
    })),
    forwards: result.forwards,
    milliseconds: performance.now() - begin,
  };
}
