import type { CopyCandidate } from '../copies/find-copies.ts';
import type { Infilled, InfillHooks, InfillRequest } from '../diffusion/infill.ts';
import { shownAlternatives } from '../infilling/infilling.ts';
import { count } from '../platform/amounts.ts';
import { messageOf, UserError } from '../platform/errors.ts';
import type { CompletionOutcome, CompletionSettings, CompletionTrace, TracedAlternative } from '../protocol/runtime.ts';
import { commentOrStringAt } from '../syntax/comments-and-strings.ts';
import { longestParsed } from '../syntax/trees.ts';
import { AlternativeJudge, type JudgedGap } from './alternative-judge.ts';
import { chooseSuggestions, isConfident, thresholdFor } from './choose-suggestions.ts';
import { watchedRunnersUp } from './frame.ts';
import { rejectionSummary, stoppingRules } from './inline/discard.ts';
import { allowsSeveralLines } from './inline/multiline.ts';
import { SuggestionCache } from './inline/suggestion-cache.ts';
import { lineAfter, lineBefore, type TextAtCursor } from './inline/text-at-cursor.ts';
import { LatencyMeter } from './latency.ts';
import { Cancelled, type Priority, type Scheduler } from './scheduler.ts';

/** A request for completions at a position in a document. */
export interface CompletionQuery {
  readonly uri: string;
  readonly languageId: string;
  readonly line: number;
  readonly character: number;
  readonly text: TextAtCursor;
  readonly trigger: 'automatic' | 'invoked';
  /**
   * VS Code's suggestion list. `continued`: it is open, and the query is as if its selected item were accepted. `open`: it is open, and
   * its selected item does not replace text at the cursor.
   */
  readonly suggestionList: 'closed' | 'continued' | 'open';
}

/** Everything that a decision depends on. The clock and the model are passed in, so that tests can replace them. */
export interface CompletionParts {
  readonly settings: () => CompletionSettings;
  /** End of the snooze, in milliseconds since 1970; null: suggestions are not snoozed. */
  readonly snoozedUntil: () => number | null;
  /** Orders the requests that use the model. */
  readonly turns: Scheduler;
  /** Runs the model; throws a `UserError` if no model that completes code is available. */
  readonly infill: (request: InfillRequest, hooks: InfillHooks) => Promise<Infilled>;
  /** Reads the context of a request that may come, if the model keeps it; default: never. */
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
  /** Returns an observer of the steps of a request's first alternative; null: there is none. */
  readonly watcher: (query: CompletionQuery, id: number) => InfillHooks['watch'] | null;
}

export interface CompletionAnswer {
  readonly texts: readonly string[];
  readonly trace: CompletionTrace;
}

interface CompletionResult {
  readonly alternatives: readonly TracedAlternative[];
  /** What the model did; null if it was not run. */
  readonly model: ModelWork | null;
}

interface ModelWork {
  readonly contextTokens: number;
  readonly forwards: number;
  readonly tokensPerForward: number;
}

/**
 * Decides which suggestions are shown. A trace records every decision, so that users can find out why a suggestion was not
 * shown.
 */
export class Completions {
  readonly latency = new LatencyMeter();
  readonly #parts: CompletionParts;
  readonly #cache = new SuggestionCache<CompletionResult | null>();
  readonly #answers: CompletionAnswer[] = [];
  /** Ends the request that a newer one for the same document replaces. */
  readonly #pending = new Map<string, AbortController>();
  #requests = 0;
  /** How often the cache was cleared. Results of requests that began earlier are not cached. */
  #forgotten = 0;
  /** Stops reading the context at an earlier position of the cursor. */
  #readingAhead: AbortController | null = null;
  /** Stops the model's run after a copy was shown without waiting for it. */
  #joining: AbortController | null = null;

  constructor(parts: CompletionParts) {
    this.#parts = parts;
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
  forget(): void {
    this.#forgotten++;
    this.#cache.clear();
  }

  /**
   * Forgets the suggestions for a document in which characters were replaced by others. Suggestions for letters that an input method
   * replaced must not match again. Requests that are running are answered, but not cached.
   */
  removeReplaced(uri: string): void {
    this.#forgotten++;
    this.#cache.remove(uri);
  }

  /** Completions for a query, the best first. If there are none, the trace has the reason. */
  async complete(query: CompletionQuery, signal: AbortSignal): Promise<CompletionAnswer> {
    const path = new DecisionPath(query, ++this.#requests, this.#parts.now, this.#forgotten);
    this.#pending.get(query.uri)?.abort();
    const superseded = new AbortController();
    this.#pending.set(query.uri, superseded);
    let texts: readonly string[] = [];
    try {
      texts = await this.#decide(query, path, AbortSignal.any([signal, superseded.signal]));
    } catch (error) {
      if (error instanceof UserError) path.ends('no-model', error.message);
      else if (!(error instanceof Cancelled)) path.ends('failed', `The completion failed: ${messageOf(error)}`);
      else
        path.ends(
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
    if (!this.#parts.settings().prefetch || this.#cache.get(query.uri, query.text)) return;
    const path = new DecisionPath(query, -1, this.#parts.now, this.#forgotten);
    await this.#make(query, path, 'prefetch', new AbortController().signal).catch(() => undefined);
  }

  /**
   * Reads the context at a position where the cursor rests, so that a suggestion there takes less time. Stops if another request
   * comes, or the cursor rests elsewhere.
   */
  async readAhead(query: CompletionQuery): Promise<void> {
    this.#readingAhead?.abort();
    const { readAhead, settings, turns, unreadLanguage } = this.#parts;
    if (!readAhead || !settings().prefetch || this.#refusal(query)) return;
    const reading = new AbortController();
    this.#readingAhead = reading;
    if (await unreadLanguage?.(query.languageId)) return;
    const gap = { ...query, singleLine: !allowsSeveralLines(settings().multiline, query.text) };
    await turns
      .run('context', reading.signal, (checkCancelled) => readAhead(this.#request(query, gap, 1), { checkCancelled }))
      // A request at this position reports what is wrong.
      .catch(() => undefined);
  }

  async #decide(query: CompletionQuery, path: DecisionPath, signal: AbortSignal): Promise<readonly string[]> {
    const refusal = this.#refusal(query);
    if (refusal) {
      path.ends(...refusal);
      return [];
    }
    const found = this.#cache.get(query.uri, query.text);
    const known = found && (query.trigger === 'automatic' || found.texts.length > 1) ? found : null;
    if (!known && query.trigger === 'automatic') {
      const { debounce } = this.#parts.settings();
      await path.during('wait', () => this.#parts.wait(debounce, signal));
      if (signal.aborted) {
        path.ends(
          'debounced',
          `Another key was pressed within ${debounce} ms (the setting unmask.completions.debounce).`,
        );
        return [];
      }
      path.step(`No key was pressed for ${debounce} ms.`);
    }
    await this.#parts.turns.readMessages(signal);
    // This parses the whole text, so it is done only if a suggestion would be shown or generated.
    const unwanted = await this.#unwantedPlace(query);
    if (unwanted) {
      path.ends(...unwanted);
      return [];
    }
    if (known) {
      path.step('A suggestion from here or from a few keystrokes earlier is in the cache.');
      path.made(known.about, 'cache');
      if (known.texts.length > 0)
        path.ends('shown', `Shown from the cache: ${count(known.texts.length, 'alternative')}.`);
      else path.ends('discarded', 'All candidates for this position were rejected before.');
      return known.texts;
    }
    return this.#make(query, path, query.trigger, signal);
  }

  async #make(query: CompletionQuery, path: DecisionPath, priority: Priority, signal: AbortSignal) {
    this.#joining?.abort();
    const settings = this.#parts.settings();
    const gap: JudgedGap = { ...query, singleLine: !allowsSeveralLines(settings.multiline, query.text) };
    path.lines(gap.singleLine, settings.multiline);
    const begin = this.#parts.now();
    await this.#parts.turns.readMessages(signal);
    const copies = await this.#copies(query, path, gap.singleLine);
    const threshold = thresholdFor(settings.eagerness, priority === 'invoked');
    const choose = (alternatives: readonly TracedAlternative[] | null) =>
      chooseSuggestions(gap, { copies, alternatives, threshold });
    const early = priority === 'invoked' ? [] : choose(null);
    if (isConfident(early)) {
      path.step('A copy is likely to be right, so it is shown without waiting for the model.');
      // The model's alternatives are added to the cache, so the user can cycle to them.
      if (priority === 'automatic')
        void this.#joinLater(query, gap, early[0] as TracedAlternative, choose).catch(() => undefined);
      return this.#finish(query, path, { alternatives: early, model: null }, { source: 'copies', isComplete: true });
    }
    try {
      const { judged, work } = await this.#runModel(query, path, gap, priority, signal);
      if (priority !== 'prefetch') this.latency.add(this.#parts.now() - begin);
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

  async #copies(query: CompletionQuery, path: DecisionPath, singleLine: boolean): Promise<readonly CopyCandidate[]> {
    const find = this.#parts.copies;
    if (!find || !this.#parts.settings().copies) return [];
    const copies = await path.during('copies', () => find(query, singleLine));
    for (const problem of this.#parts.copyProblems?.() ?? [])
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
  async #joinLater(
    query: CompletionQuery,
    gap: JudgedGap,
    shown: TracedAlternative,
    choose: (alternatives: readonly TracedAlternative[]) => readonly TracedAlternative[],
  ): Promise<void> {
    const joining = new AbortController();
    this.#joining = joining;
    const path = new DecisionPath(query, -1, this.#parts.now, this.#forgotten);
    const forgotten = this.#forgotten;
    const { judged, work } = await this.#runModel(query, path, gap, 'prefetch', joining.signal);
    if (forgotten !== this.#forgotten) return;
    const others = choose(judged).filter(({ text }) => text !== shown.text);
    const alternatives = [shown, ...others];
    this.#cache.put(query.uri, query.text, { texts: shownTexts(alternatives), about: { alternatives, model: work } });
  }

  async #runModel(query: CompletionQuery, path: DecisionPath, gap: JudgedGap, priority: Priority, signal: AbortSignal) {
    const settings = this.#parts.settings();
    const unread = await this.#parts.unreadLanguage?.(query.languageId);
    if (unread) throw new UserError(unread);
    const watch = this.#parts.watcher(query, path.id);
    const queued = this.#parts.now();
    const judge = new AlternativeJudge(gap);
    const infilled = await this.#parts.turns.run(priority, signal, (yieldToEventLoop) => {
      path.took('queue', this.#parts.now() - queued);
      // A prefetch may never be shown, so it generates only one alternative.
      const request = this.#request(query, gap, priority === 'prefetch' ? 1 : settings.alternatives);
      return this.#parts.infill(request, {
        ...(priority === 'automatic' ? { isEnough: (made) => judge.isEnough(made) } : {}),
        checkCancelled: yieldToEventLoop,
        ...(watch ? { watch, runnersUp: watchedRunnersUp } : {}),
      });
    });
    if (priority === 'automatic' && infilled.alternatives.length < settings.alternatives)
      path.step(
        'A candidate leaves no syntax error, so no more were generated. Run Trigger Inline Suggestion to get more.',
      );
    path.took('context', infilled.contextMilliseconds);
    path.took('denoise', infilled.denoiseMilliseconds);
    const judged = await this.#inOrder(infilled, path, judge);
    const written = infilled.alternatives.reduce((sum, { length }) => sum + length + 1, 0);
    const work: ModelWork = {
      contextTokens: infilled.contextTokens,
      forwards: infilled.forwards,
      tokensPerForward: written / infilled.forwards,
    };
    return { judged, work };
  }

  #request({ text }: CompletionQuery, { singleLine }: JudgedGap, alternatives: number): InfillRequest {
    const { threshold, contextTokens, contextRefresh } = this.#parts.settings();
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
    if (path.forgotten === this.#forgotten && (isComplete || texts.length > 0))
      this.#cache.put(query.uri, query.text, { texts, about: result });
    path.made(result, source);
    if (texts.length > 0) path.ends('shown', `Shown: ${count(texts.length, 'alternative')}.`);
    else path.ends('discarded', rejectionSummary(result.alternatives));
    return texts;
  }

  /** The judged alternatives, in the order in which they are shown. */
  async #inOrder({ alternatives }: Infilled, path: DecisionPath, judge: AlternativeJudge) {
    const judged = alternatives.map((alternative) => judge.judge(alternative));
    const order = await path.during('syntax', () => judge.order(alternatives));
    if (order[0] !== 0) path.step('A later alternative leaves fewer syntax errors and is shown first.');
    return order.map((index) => judged[index] as TracedAlternative);
  }

  #refusal({ languageId, suggestionList, text, trigger }: CompletionQuery): [CompletionOutcome, string] | null {
    const settings = this.#parts.settings();
    const isInvoked = trigger === 'invoked';
    if (!isInvoked && !settings.enabled)
      return ['off', 'Completions are turned off (the setting unmask.completions.enabled).'];
    const until = this.#parts.snoozedUntil();
    if (!isInvoked && until !== null && this.#parts.now() < until)
      return [
        'snoozed',
        `Completions are snoozed for ${count(Math.ceil((until - this.#parts.now()) / 60_000), 'more minute')}.`,
      ];
    if (!isInvoked && !(settings.languages[languageId] ?? settings.languages['*'] ?? true))
      return [
        'language-off',
        `Completions are turned off for ${languageId} (the setting unmask.completions.languages).`,
      ];
    const { length } = lineBefore(text) + lineAfter(text);
    if (length > longestLine)
      return [
        'long-line',
        `The cursor is in a line of ${length.toLocaleString('en-US')} characters; lines of more than ${longestLine.toLocaleString('en-US')} are not completed.`,
      ];
    if (suggestionList === 'open')
      return ['suggest-widget', "Hidden while VS Code's suggestion list is open. Press Esc to see it."];
    return null;
  }

  async #unwantedPlace({ languageId, text, trigger }: CompletionQuery): Promise<[CompletionOutcome, string] | null> {
    if (trigger === 'invoked' || this.#parts.settings().inCommentsAndStrings) return null;
    const whole = text.prefix + text.suffix;
    if (whole.length > longestParsed) return null;
    const found = await commentOrStringAt(languageId, whole, text.prefix.length);
    if (found === 'comment') return ['in-comment', `The cursor is in a comment. ${enableHere}`];
    if (found === 'string') return ['in-string', `The cursor is in a string. ${enableHere}`];
    return null;
  }
}

const shownTexts = (alternatives: readonly TracedAlternative[]): string[] =>
  alternatives.filter(({ discardedBy }) => discardedBy === null).map(({ text }) => text);

/** A longer line is data or minified code. */
const longestLine = 2_000;

const enableHere = 'Enable unmask.completions.inCommentsAndStrings to complete here.';

/** Records the decisions about a request, with times. */
class DecisionPath {
  readonly id: number;
  /** How often `Completions` had forgotten its suggestions when the request began. */
  readonly forgotten: number;
  readonly #query: CompletionQuery;
  readonly #now: () => number;
  readonly #begin: number;
  readonly #steps: string[] = [];
  readonly #milliseconds: Record<string, number> = {};
  #outcome: CompletionOutcome = 'failed';
  #reason = '';
  #multiline: boolean | null = null;
  #made: CompletionResult | null = null;
  #source: CompletionTrace['source'] = null;

  constructor(query: CompletionQuery, id: number, now: () => number, forgotten: number) {
    this.forgotten = forgotten;
    this.#query = query;
    this.id = id;
    this.#now = now;
    this.#begin = now();
    this.step(query.trigger === 'invoked' ? 'Triggered by a command.' : 'Triggered by typing or by moving the cursor.');
    if (query.suggestionList === 'continued')
      this.step("VS Code's suggestion list is open, so the suggestion begins with its selected item.");
  }

  /** Time since the request arrived, with one digit. */
  get seconds(): string {
    return ((this.#now() - this.#begin) / 1000).toFixed(1);
  }

  step(what: string): void {
    this.#steps.push(what);
  }

  ends(outcome: CompletionOutcome, reason: string): void {
    this.#outcome = outcome;
    this.#reason = reason;
    this.step(reason);
  }

  lines(singleLine: boolean, mode: string): void {
    this.#multiline = !singleLine;
    this.step(`${singleLine ? 'Single line' : 'Multiple lines'} at this position (multiline: ${mode}).`);
  }

  made(made: CompletionResult | null, source: CompletionTrace['source']): void {
    this.#made = made;
    this.#source = source;
  }

  took(phase: string, milliseconds: number): void {
    this.#milliseconds[phase] = milliseconds;
  }

  async during<T>(phase: string, work: () => Promise<T>): Promise<T> {
    const begin = this.#now();
    try {
      return await work();
    } finally {
      this.took(phase, this.#now() - begin);
    }
  }

  trace(): CompletionTrace {
    const { uri, line, character, languageId, trigger } = this.#query;
    this.took('total', this.#now() - this.#begin);
    return {
      id: this.id,
      time: new Date(this.#begin).toISOString(),
      uri,
      line,
      character,
      languageId,
      trigger,
      outcome: this.#outcome,
      reason: this.#reason,
      path: [...this.#steps],
      source: this.#source,
      multiline: this.#multiline,
      alternatives: this.#made?.alternatives ?? [],
      contextTokens: this.#made?.model?.contextTokens ?? null,
      forwards: this.#source === 'model' ? (this.#made?.model?.forwards ?? null) : 0,
      tokensPerForward: this.#made?.model?.tokensPerForward ?? null,
      milliseconds: { ...this.#milliseconds },
    };
  }
}
