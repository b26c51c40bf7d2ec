import type { InfillHooks, InfillRequest, InfillResult } from '../../src/diffusion/infill.ts';
import { defaultSettings } from '../../src/protocol/default-settings.ts';
import type { CompletionSettings } from '../../src/protocol/runtime.ts';
import type { CompletionQuery } from '../../src/runtime/completion-query.ts';
import { type CompletionDependencies, Completions } from '../../src/runtime/completions.ts';
import { Scheduler } from '../../src/runtime/scheduler.ts';

/** The result of `infill` for a model that writes these texts. */
export function written(texts: readonly string[], confidence = 0.9): InfillResult {
  const empty = {
    tokens: new Int32Array(4),
    revealedAt: new Int32Array(4),
    confidence: new Float32Array(4),
    entropy: new Float32Array(4),
    forwards: 2,
  };
  return {
    alternatives: texts.map((text) => ({ ...empty, text, length: 3, ended: true, meanConfidence: confidence })),
    healed: '',
    contextTokens: 20,
    forwards: 2,
    contextMilliseconds: 3,
    denoiseMilliseconds: 4,
  };
}

/** Completions, the requests that reached the model, and a clock that tests may change. */
export interface ScriptedCompletions {
  readonly completions: Completions;
  readonly requests: (InfillRequest & InfillHooks)[];
  readonly settings: { value: CompletionSettings };
  readonly clock: { now: number; snoozedUntil: number | null };
}

/** Completions with a scripted model that returns `answer`. Time advances only while a request waits. */
export function scriptedCompletions(
  answer: (request: InfillRequest, hooks: InfillHooks) => InfillResult | Promise<InfillResult>,
  changes: Partial<CompletionSettings> = {},
  dependencies: Partial<CompletionDependencies> = {},
): ScriptedCompletions {
  // A scripted model is judged by the rules alone, unless a test is about the gate.
  const settings = { value: { ...defaultSettings.completions, eagerness: 'always' as const, ...changes } };
  const clock: ScriptedCompletions['clock'] = { now: 1_000_000, snoozedUntil: null };
  const requests: ScriptedCompletions['requests'] = [];
  const completions = new Completions({
    scheduler: new Scheduler(),
    settings: () => settings.value,
    snoozedUntil: () => clock.snoozedUntil,
    infill: async (request, hooks) => {
      requests.push({ ...request, ...hooks });
      return answer(request, hooks);
    },
    now: () => clock.now,
    wait: async (milliseconds) => {
      clock.now += milliseconds;
    },
    watcher: () => null,
    ...dependencies,
  });
  return { completions, requests, settings, clock };
}

/** A request at the `|` of the text. */
export function query(text: string, changes: Partial<CompletionQuery> = {}): CompletionQuery {
  const [prefix, suffix] = text.split('|') as [string, string];
  return {
    uri: 'file:///a.ts',
    languageId: 'typescript',
    line: 0,
    character: prefix.length,
    text: { prefix, suffix },
    trigger: 'automatic',
    suggestionList: 'closed',
    ...changes,
  };
}
