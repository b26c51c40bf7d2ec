import type { Infilled, InfillHooks, InfillRequest } from '../diffusion/infill.ts';
import { shownAlternatives } from '../infilling/infilling.ts';
import { count } from '../platform/amounts.ts';
import { messageOf, UserError } from '../platform/errors.ts';
import type { CompletionOutcome, CompletionSettings, CompletionTrace, TracedAlternative } from '../protocol/runtime.ts';
import { commentOrStringAt } from '../syntax/comments-and-strings.ts';
import { longestParsed } from '../syntax/trees.ts';
import { AlternativeJudge } from './alternative-judge.ts';
import { watchedRunnersUp } from './frame.ts';
import { rejectionSummary, stoppingRules } from './inline/discard.ts';
import { allowsSeveralLines } from './inline/multiline.ts';
import { SuggestionCache } from './inline/suggestion-cache.ts';
import type { TextAtCursor } from './inline/text-at-cursor.ts';
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
  /** Whether the list of suggestions is open, with one of them selected. */
  readonly listIsOpen: boolean;
}

/** What the decision depends on; the clock and the model are given, so that tests need neither. */
export interface CompletionParts {
  readonly settings: () => CompletionSettings;
  /** Milliseconds since 1970 until which nobody wants suggestions; null: they are wanted. */
  readonly snoozedUntil: () => number | null;
  /** Who may compute, and when. */
  readonly turns: Scheduler;
  /** Runs the model; throws a `UserError` where there is none that completes. */
  readonly infill: (request: InfillRequest, hooks: InfillHooks) => Promise<Infilled>;
  readonly now: () => number;
  /** Settles after so many milliseconds, or as soon as `signal` is aborted. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Sees the steps of a request's first alternative; null: nobody watches. */
  readonly watcher: (query: CompletionQuery, id: number) => InfillHooks['watch'] | null;
}

export interface CompletionAnswer {
  readonly texts: readonly string[];
  readonly trace: CompletionTrace;
}

interface CompletionResult {
  readonly alternatives: readonly TracedAlternative[];
  readonly contextTokens: number;
  readonly forwards: number;
  readonly tokensPerForward: number;
}

/**
 * Decides what is suggested. Every decision of the path is kept in a trace: that a suggestion does not show is the first
 * thing a user asks about.
 */
export class Completions {
  readonly latency = new LatencyMeter();
  readonly #parts: CompletionParts;
  readonly #cache = new SuggestionCache<CompletionResult | null>();
  readonly #answers: CompletionAnswer[] = [];
  /** Ends the request that a newer one for the same document replaces. */
  readonly #pending = new Map<string, AbortController>();
  #requests = 0;
  /** How often it forgot: what was begun before the last time is not kept. */
  #forgotten = 0;

  constructor(parts: CompletionParts) {
    this.#parts = parts;
  }

  /** The decision path of the last request; null before the first. */
  get last(): CompletionTrace | null {
    return this.#answers.at(-1)?.trace ?? null;
  }

  /** What a request, by its trace's id, was answered with; null where that was long ago. */
  answer(id: number): CompletionAnswer | null {
    return this.#answers.find(({ trace }) => trace.id === id) ?? null;
  }

  /** Forgets what was suggested: another model, or other settings, would suggest otherwise. */
  forget(): void {
    this.#forgotten++;
    this.#cache.clear();
  }

  /** Completions for a query, the best first; none where there is a reason, which the trace tells. */
  async complete(query: CompletionQuery, signal: AbortSignal): Promise<CompletionAnswer> {
    const path = new DecisionPath(query, ++this.#requests, this.#parts.now);
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

  /** Prepares the suggestion at a position where the user is likely to be next. */
  async prefetch(query: CompletionQuery): Promise<void> {
    if (!this.#parts.settings().prefetch || this.#cache.get(query.uri, query.text)) return;
    const path = new DecisionPath(query, -1, this.#parts.now);
    await this.#make(query, path, 'prefetch', new AbortController().signal).catch(() => undefined);
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
    // The whole text is parsed for this, so only where something would be shown or made.
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
    const settings = this.#parts.settings();
    const forgotten = this.#forgotten;
    const singleLine = !allowsSeveralLines(settings.multiline, query.text);
    path.lines(singleLine, settings.multiline);
    const watch = this.#parts.watcher(query, path.id);
    const queued = this.#parts.now();
    const judge = new AlternativeJudge({ ...query, singleLine });
    const infilled = await this.#parts.turns.run(priority, signal, (yieldToEventLoop) => {
      path.took('queue', this.#parts.now() - queued);
      const request: InfillRequest = {
        ...query.text,
        // A prefetch may never be shown, so it makes one alternative only.
        alternatives: priority === 'prefetch' ? 1 : settings.alternatives,
        seed: 0,
        temperature: shownAlternatives.temperature,
        threshold: settings.threshold,
        contextTokens: settings.contextTokens,
        contextRefresh: settings.contextRefresh,
        singleLine,
        stops: stoppingRules(query.text),
      };
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
    if (priority !== 'prefetch') this.latency.add(this.#parts.now() - queued);
    const judged = await this.#inOrder(infilled, path, judge);
    const written = infilled.alternatives.reduce((sum, { length }) => sum + length + 1, 0);
    const made: CompletionResult = {
      alternatives: judged,
      contextTokens: infilled.contextTokens,
      forwards: infilled.forwards,
      tokensPerForward: written / infilled.forwards,
    };
    const texts = judged.filter((alternative) => alternative.discardedBy === null).map(({ text }) => text);
    // A prefetch that came to nothing has not tried everything.
    if (forgotten === this.#forgotten && (priority !== 'prefetch' || texts.length > 0))
      this.#cache.put(query.uri, query.text, { texts, about: made });
    path.made(made, priority === 'prefetch' ? 'prefetch' : 'model');
    if (texts.length > 0) path.ends('shown', `Shown: ${count(texts.length, 'alternative')}.`);
    else path.ends('discarded', rejectionSummary(judged));
    return texts;
  }

  /** The judged alternatives, in the order in which they are shown. */
  async #inOrder({ alternatives }: Infilled, path: DecisionPath, judge: AlternativeJudge) {
    const judged = alternatives.map((alternative) => judge.judge(alternative));
    const order = await path.during('syntax', () => judge.order(alternatives));
    if (order[0] !== 0) path.step('A later alternative leaves fewer syntax errors and is shown first.');
    return order.map((index) => judged[index] as TracedAlternative);
  }

  #refusal({ languageId, listIsOpen, trigger }: CompletionQuery): [CompletionOutcome, string] | null {
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
    if (listIsOpen) return ['suggest-widget', "Hidden while VS Code's suggestion list is open. Press Esc to see it."];
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

const enableHere = 'Enable unmask.completions.inCommentsAndStrings to complete here.';

/** Writes down what was decided on the way, and when. */
class DecisionPath {
  readonly id: number;
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

  constructor(query: CompletionQuery, id: number, now: () => number) {
    this.#query = query;
    this.id = id;
    this.#now = now;
    this.#begin = now();
    this.step(query.trigger === 'invoked' ? 'Triggered by a command.' : 'Triggered by typing or by moving the cursor.');
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
      contextTokens: this.#made?.contextTokens ?? null,
      forwards: this.#source === 'model' ? (this.#made?.forwards ?? null) : 0,
      tokensPerForward: this.#made?.tokensPerForward ?? null,
      milliseconds: { ...this.#milliseconds },
    };
  }
}
