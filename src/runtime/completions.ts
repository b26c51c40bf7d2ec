import type { CopyCandidate } from '../copies/find-copies.ts';
import type { InfillHooks, InfillRequest, InfillResult } from '../diffusion/infill.ts';
import { shownAlternatives } from '../infilling/infilling.ts';
import type { SuggestionGate } from '../model/generation.ts';
import { count } from '../platform/amounts.ts';
import { messageOf, UserError } from '../platform/errors.ts';
import type { CompletionSettings, CompletionTrace, TracedAlternative } from '../protocol/runtime.ts';
import { AlternativeJudge, type JudgedGap } from './alternative-judge.ts';
import { chooseSuggestions, isConfident, thresholdFor } from './choose-suggestions.ts';
import type { CompletionQuery } from './completion-query.ts';
import { refusalInCommentOrString, refusalOf } from './completion-refusals.ts';
import { type CompletionResult, DecisionPath, type ModelWork } from './decision-path.ts';
import { watchedRunnersUp } from './frame.ts';
import { rejectionSummary, stoppingRules } from './inline/discard.ts';
import { allowsSeveralLines } from './inline/multiline.ts';
import { SuggestionCache } from './inline/suggestion-cache.ts';
import { LatencyMeter } from './latency.ts';
import { Cancelled, type Priority, type Scheduler } from './scheduler.ts';

/** The dependencies of `Completions`. The clock and the model are among them, so that tests can replace them. */
export interface CompletionDependencies {
  readonly settings: () => CompletionSettings;
  /** End of the snooze, in milliseconds since 1970; null: suggestions are not snoozed. */
  readonly snoozedUntil: () => number | null;
  /** Orders the requests that use the model. */
  readonly scheduler: Scheduler;
  /** Runs the model; throws a `UserError` if no model that completes code is available. */
  readonly infill: (request: InfillRequest, hooks: InfillHooks) => Promise<InfillResult>;
  /** The name of the model that fills gaps. */
  readonly modelName?: () => string;
  /** Reads the context of a request that may follow, if the model keeps it; default: never. */
  readonly readAhead?: (request: InfillRequest, hooks: Pick<InfillHooks, 'checkCancelled'>) => Promise<void>;
  readonly now: () => number;
  /** Settles after this many milliseconds, or as soon as `signal` is aborted. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Texts of the workspace that follow the same context; default: none. */
  readonly copies?: (query: CompletionQuery, singleLine: boolean) => Promise<readonly CopyCandidate[]>;
  /** Files that copies cannot be taken from, each with the reason; default: none. */
  readonly copyProblems?: () => readonly string[];
  /** Why the model does not complete in a language, in one sentence; null if it does. Default: it completes in all. */
  readonly unreadLanguage?: (languageId: string) => Promise<string | null>;
  /** The gate of the model's suggestions; undefined: that of the bundled model. Default: undefined. */
  readonly gate?: () => Promise<SuggestionGate | undefined>;
  /** Returns an observer of the steps of a request's first alternative; null: there is none. */
  readonly watcher: (query: CompletionQuery, id: number) => InfillHooks['watch'] | null;
}

/** The suggestions for a query, the best first, and how they were chosen. */
export interface CompletionAnswer {
  readonly texts: readonly string[];
  readonly trace: CompletionTrace;
}

/**
 * Decides which suggestions are shown. A trace records every decision, so that users can find out why a suggestion was not
 * shown.
 */
export class Completions {
  readonly latency = new LatencyMeter();
  readonly #dependencies: CompletionDependencies;
  readonly #cache = new SuggestionCache<CompletionResult | null>();
  readonly #answers: CompletionAnswer[] = [];
  /** By document: aborts the running request when a newer one replaces it. */
  readonly #pending = new Map<string, AbortController>();
  #requests = 0;
  /** Increased when suggestions are removed from the cache. Results of requests that began with an earlier version are not cached. */
  #cacheVersion = 0;
  /** Stops reading the context at an earlier position of the cursor. */
  #readingAhead: AbortController | null = null;
  /** Stops the model's run that follows a copy, which was shown without waiting for the model. */
  #backgroundRun: AbortController | null = null;

  constructor(dependencies: CompletionDependencies) {
    this.#dependencies = dependencies;
  }

  /** The decision path of the last request; null before the first. */
  get last(): CompletionTrace | null {
    return this.#answers.at(-1)?.trace ?? null;
  }

  /** The answer with this trace id; null if it is not among the last 50. */
  answer(id: number): CompletionAnswer | null {
    return this.#answers.find(({ trace }) => trace.id === id) ?? null;
  }

  /** Clears the cache, because the model or a setting changed. */
  clearCache(): void {
    this.#cacheVersion++;
    this.#cache.clear();
  }

  /**
   * Removes the suggestions for a document from the cache, because characters in it were replaced by others. Suggestions for letters
   * that an input method replaced must not match again. Running requests are answered, but their results are not cached.
   */
  removeReplaced(uri: string): void {
    this.#cacheVersion++;
    this.#cache.remove(uri);
  }

  /** Completions for a query, the best first. If there are none, the trace has the reason. */
  async complete(query: CompletionQuery, signal: AbortSignal): Promise<CompletionAnswer> {
    const path = new DecisionPath(query, ++this.#requests, this.#dependencies.now, this.#cacheVersion);
    this.#pending.get(query.uri)?.abort();
    const superseded = new AbortController();
    this.#pending.set(query.uri, superseded);
    let texts: readonly string[] = [];
    try {
      texts = await this.#decide(query, path, AbortSignal.any([signal, superseded.signal]));
    } catch (error) {
      if (error instanceof UserError) path.end('no-model', error.message);
      else if (!(error instanceof Cancelled)) path.end('failed', `The completion failed: ${messageOf(error)}`);
      else
        path.end(
          'cancelled',
          `Cancelled before it was ready (after ${path.seconds} s)${superseded.signal.aborted ? ', because of a newer request' : ''}.`,
        );
    } finally {
      if (this.#pending.get(query.uri) === superseded) this.#pending.delete(query.uri);
    }
    const answer = { texts, trace: path.trace() };
    this.#answers.push(answer);
    if (this.#answers.length > 50) this.#answers.shift();
    return answer;
  }

  /** Generates the suggestion for the position that the cursor is likely to have next, and caches it. */
  async prefetch(query: CompletionQuery): Promise<void> {
    if (!this.#dependencies.settings().prefetch || this.#cache.get(query.uri, query.text)) return;
    const path = new DecisionPath(query, -1, this.#dependencies.now, this.#cacheVersion);
    await this.#generate(query, path, 'prefetch', new AbortController().signal).catch(() => undefined);
  }

  /**
   * Reads the context at a position where the cursor rests, so that a suggestion there takes less time. Stops if another request
   * arrives, or if the cursor rests elsewhere.
   */
  async readAhead(query: CompletionQuery): Promise<void> {
    this.#readingAhead?.abort();
    const { readAhead, settings, scheduler, unreadLanguage, snoozedUntil, now } = this.#dependencies;
    if (!readAhead || !settings().prefetch) return;
    if (refusalOf(query, settings(), { snoozedUntil: snoozedUntil(), now: now() })) return;
    const reading = new AbortController();
    this.#readingAhead = reading;
    if (await unreadLanguage?.(query.languageId)) return;
    const gap = { ...query, singleLine: !allowsSeveralLines(settings().multiline, query.text) };
    await scheduler
      .run('context', reading.signal, (checkCancelled) => readAhead(this.#request(query, gap, 1), { checkCancelled }))
      // A request at this position reports the error.
      .catch(() => undefined);
  }

  /** Checks, in this order, the settings, the cache, the debounce and the syntax at the cursor; then generates suggestions. */
  async #decide(query: CompletionQuery, path: DecisionPath, signal: AbortSignal): Promise<readonly string[]> {
    const { settings, snoozedUntil, now } = this.#dependencies;
    const refusal = refusalOf(query, settings(), { snoozedUntil: snoozedUntil(), now: now() });
    if (refusal) {
      path.end(...refusal);
      return [];
    }
    const found = this.#cache.get(query.uri, query.text);
    const cached = found && (query.trigger === 'automatic' || found.texts.length > 1) ? found : null;
    if (!cached && query.trigger === 'automatic') {
      const { debounce } = settings();
      await path.timed('wait', () => this.#dependencies.wait(debounce, signal));
      if (signal.aborted) {
        path.end(
          'debounced',
          `Another key was pressed within ${debounce} ms (the setting unmask.completions.debounce).`,
        );
        return [];
      }
      path.step(`No key was pressed for ${debounce} ms.`);
    }
    await this.#dependencies.scheduler.readMessages(signal);
    // This parses the whole text, so it is done only if a suggestion would be shown or generated.
    const refusalHere = await refusalInCommentOrString(query, settings());
    if (refusalHere) {
      path.end(...refusalHere);
      return [];
    }
    if (cached) {
      path.step('A suggestion from here or from a few keystrokes earlier is in the cache.');
      path.recordResult(cached.about, 'cache');
      if (cached.texts.length > 0)
        path.end('shown', `Shown from the cache: ${count(cached.texts.length, 'alternative')}.`);
      else path.end('discarded', 'All candidates for this position were rejected before.');
      return cached.texts;
    }
    return this.#generate(query, path, query.trigger, signal);
  }

  /** Finds copies, runs the model if no copy is likely to be right, and chooses the suggestions. */
  async #generate(query: CompletionQuery, path: DecisionPath, priority: Priority, signal: AbortSignal) {
    this.#backgroundRun?.abort();
    const settings = this.#dependencies.settings();
    const gap: JudgedGap = { ...query, singleLine: !allowsSeveralLines(settings.multiline, query.text) };
    path.recordLines(gap.singleLine, settings.multiline);
    const begin = this.#dependencies.now();
    await this.#dependencies.scheduler.readMessages(signal);
    const copies = await this.#findCopies(query, path, gap.singleLine);
    const gate = await this.#dependencies.gate?.();
    const threshold = thresholdFor(settings.eagerness, priority === 'invoked', gate);
    const choose = (alternatives: readonly TracedAlternative[] | null) =>
      chooseSuggestions(gap, { copies, alternatives, threshold, gate });
    const early = priority === 'invoked' ? [] : choose(null);
    if (isConfident(early)) {
      path.step('A copy is likely to be right, so it is shown without waiting for the model.');
      // The model's alternatives are added to the cache, so the user can cycle to them.
      if (priority === 'automatic')
        void this.#addModelAlternatives(query, gap, early[0] as TracedAlternative, choose).catch(() => undefined);
      return this.#finish(query, path, { alternatives: early, model: null }, { source: 'copies', isComplete: true });
    }
    try {
      const { judged, work } = await this.#runModel(query, path, gap, priority, signal);
      if (priority !== 'prefetch') this.latency.add(this.#dependencies.now() - begin);
      const result = { alternatives: choose(judged), model: work };
      return this.#finish(query, path, result, {
        source: priority === 'prefetch' ? 'prefetch' : 'model',
        // A prefetch without a result has not tried all alternatives.
        isComplete: priority !== 'prefetch',
      });
    } catch (error) {
      if (!(error instanceof UserError) || copies.length === 0) throw error;
      path.step(`${error.message} Only copies can be shown.`);
    }
    return this.#finish(
      query,
      path,
      { alternatives: choose(null), model: null },
      { source: 'copies', isComplete: true },
    );
  }

  async #findCopies(
    query: CompletionQuery,
    path: DecisionPath,
    singleLine: boolean,
  ): Promise<readonly CopyCandidate[]> {
    const find = this.#dependencies.copies;
    if (!find || !this.#dependencies.settings().copies) return [];
    const copies = await path.timed('copies', () => find(query, singleLine));
    for (const problem of this.#dependencies.copyProblems?.() ?? [])
      path.step(`Copies come from open documents only, or from a part of the files: ${problem}`);
    const [first] = copies;
    path.step(
      first
        ? `${count(copies.length, 'text')} of the workspace follow the same context; the longest match has ${count(Math.max(...copies.map(({ matched }) => matched)), 'character')}.`
        : 'No text of the workspace follows the same context.',
    );
    return copies;
  }

  /** Runs the model for a suggestion that is already shown, and adds its alternatives to the cached ones. */
  async #addModelAlternatives(
    query: CompletionQuery,
    gap: JudgedGap,
    shown: TracedAlternative,
    choose: (alternatives: readonly TracedAlternative[]) => readonly TracedAlternative[],
  ): Promise<void> {
    const run = new AbortController();
    this.#backgroundRun = run;
    const path = new DecisionPath(query, -1, this.#dependencies.now, this.#cacheVersion);
    const version = this.#cacheVersion;
    const { judged, work } = await this.#runModel(query, path, gap, 'prefetch', run.signal);
    if (version !== this.#cacheVersion) return;
    const others = choose(judged).filter(({ text }) => text !== shown.text);
    const alternatives = [shown, ...others];
    this.#cache.put(query.uri, query.text, { texts: shownTexts(alternatives), about: { alternatives, model: work } });
  }

  /** Generates alternatives and judges them. */
  async #runModel(query: CompletionQuery, path: DecisionPath, gap: JudgedGap, priority: Priority, signal: AbortSignal) {
    const settings = this.#dependencies.settings();
    const unread = await this.#dependencies.unreadLanguage?.(query.languageId);
    if (unread) throw new UserError(unread);
    const watch = this.#dependencies.watcher(query, path.id);
    const queued = this.#dependencies.now();
    const judge = new AlternativeJudge(gap);
    const infilled = await this.#dependencies.scheduler.run(priority, signal, (yieldToEventLoop) => {
      path.recordTime('queue', this.#dependencies.now() - queued);
      // A prefetch may never be shown, so it generates only one alternative.
      const request = this.#request(query, gap, priority === 'prefetch' ? 1 : settings.alternatives);
      return this.#dependencies.infill(request, {
        ...(priority === 'automatic' ? { isEnough: (alternative) => judge.isEnough(alternative) } : {}),
        checkCancelled: yieldToEventLoop,
        ...(watch ? { watch, runnersUp: watchedRunnersUp } : {}),
      });
    });
    if (priority === 'automatic' && infilled.alternatives.length < settings.alternatives)
      path.step(
        'A candidate leaves no syntax error, so no more were generated. Run Trigger Inline Suggestion to get more.',
      );
    path.recordTime('context', infilled.contextMilliseconds);
    path.recordTime('denoise', infilled.denoiseMilliseconds);
    const judged = await this.#judgeInOrder(infilled, path, judge);
    const written = infilled.alternatives.reduce((sum, { length }) => sum + length + 1, 0);
    const work: ModelWork = {
      name: this.#dependencies.modelName?.() ?? null,
      contextTokens: infilled.contextTokens,
      forwards: infilled.forwards,
      tokensPerForward: written / infilled.forwards,
    };
    return { judged, work };
  }

  /** The request for the gap at the cursor, with the settings. */
  #request({ text }: CompletionQuery, { singleLine }: JudgedGap, alternatives: number): InfillRequest {
    const { threshold, contextTokens, contextRefresh } = this.#dependencies.settings();
    return {
      ...text,
      ...{ alternatives, seed: 0, temperature: shownAlternatives.temperature },
      ...{ threshold, contextTokens, contextRefresh, singleLine },
      stops: stoppingRules(text),
    };
  }

  /** Records a result, keeps it for the next request at this position, and returns the suggestions to show. */
  #finish(
    query: CompletionQuery,
    path: DecisionPath,
    result: CompletionResult,
    { source, isComplete }: { readonly source: CompletionTrace['source']; readonly isComplete: boolean },
  ): string[] {
    const texts = shownTexts(result.alternatives);
    if (path.cacheVersion === this.#cacheVersion && (isComplete || texts.length > 0))
      this.#cache.put(query.uri, query.text, { texts, about: result });
    path.recordResult(result, source);
    if (texts.length > 0) path.end('shown', `Shown: ${count(texts.length, 'alternative')}.`);
    else path.end('discarded', rejectionSummary(result.alternatives));
    return texts;
  }

  /** The judged alternatives, in the order in which they are shown. */
  async #judgeInOrder({ alternatives }: InfillResult, path: DecisionPath, judge: AlternativeJudge) {
    const judged = alternatives.map((alternative) => judge.judge(alternative));
    const order = await path.timed('syntax', () => judge.order(alternatives));
    if (order[0] !== 0) path.step('A later alternative leaves fewer syntax errors and is shown first.');
    return order.map((index) => judged[index] as TracedAlternative);
  }
}

const shownTexts = (alternatives: readonly TracedAlternative[]): string[] =>
  alternatives.filter(({ discardedBy }) => discardedBy === null).map(({ text }) => text);
